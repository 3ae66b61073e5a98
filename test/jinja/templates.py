#!/usr/bin/env python3
"""templates.py FOLDER: every template of the folder over 30 conversations, byte for byte as jinja2 renders them.

The templates are of the kinds that models are published with.  Conversations have turns in and out of order, system
prompts, tools, calls, contents in parts, and variables that some templates ask for.
"""
import pathlib
import random
import sys

import generate
import reference

TOOLS = [{"type": "function", "function": {"name": "weather", "description": "what it's like", "parameters": {
    "type": "object", "properties": {"place": {"type": "string"}, "days": {"type": "array", "items": {"type": "integer"}},
                                     "more": {"type": ["number", "boolean"]}, "map": {"type": "object", "additionalProperties": {"type": "number"}}},
    "required": ["place"]}, "return": {"type": "string"}}}, {"type": "function", "function": {
        "name": "now", "description": "é <b> & \"q\"", "parameters": {"type": "object", "properties": {}}}}]
CALL = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": {"place": "Zürich", "days": [1, 2]}}}]}


def conversations():
    rnd = random.Random(30)
    for i in range(30):
        given = generate.usual(rnd)
        if i % 6 == 3:
            given["messages"] = generate.conversation(rnd)
        if i % 6 == 4:
            given["tools"] = TOOLS[:rnd.randrange(1, 3)]
            given["messages"] += [CALL, {"role": "tool", "content": rnd.choice(generate.TEXTS)}, {"role": "tool", "content": "21 °C"}]
        if i % 6 == 5:
            given["messages"] = [{"role": m["role"], "content": [{"type": "text", "text": m["content"]}, {"type": "image"}]} for m in given["messages"]]
        if i % 4 == 1:
            given["strftime_now"] = [2024, 2 + i % 11, 1 + i % 28, i % 24, 5, 59]
        if i % 5 == 2:
            given["enable_thinking"] = bool(i % 2)
        if i % 7 == 3:
            given["documents"] = [{"text": " a "}, {"id": "x", "text": "b\n"}]
        if i % 10 == 8:
            given["builtin"] = ["weather", "code"]
        yield given


def main():
    engine = reference.Engine()
    inputs = list(conversations())
    bad, compared = 0, 0
    names = sorted(pathlib.Path(sys.argv[1]).glob("*.jinja"))
    for path in names:
        text = path.read_text(encoding="utf-8")
        template = reference.compiled(text)
        got = engine.ask(text, inputs)
        if "refused" in got:
            bad += 1
            print(f"{path.name}, line {got['line']}: {got['refused']}")
            continue
        rendered = 0
        for i, (given, out) in enumerate(zip(inputs, got["outputs"])):
            want = reference.render(template, given)
            rendered += isinstance(want, str)
            if isinstance(want, dict) != isinstance(out, dict) or (isinstance(want, str) and want != out):
                bad += 1
                print(f"{path.name}, conversation {i}: {given['messages']}\n  jinja2: {want!r}\n  engine: {out!r}")
        compared += rendered
        if rendered < 5:
            bad += 1
            print(f"{path.name}: jinja2 rendered only {rendered} of the conversations")
    print(f"{len(names)} templates, {compared} equal renderings")
    sys.exit(1 if bad or len(names) < 15 else 0)


main()
