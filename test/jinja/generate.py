"""generate.py -- random templates and conversations.  generate.template(random.Random(seed)) is one nobody has seen."""

WORDS = ["user", "assistant", "system", "Hello", "a b  c", " x ", "", "\\n", "\\t.", "é", "ßtraße", "日本語", "'q'", '\\"', "<|im_end|>",
         "<s>", "</think>", "A", "abc", "0", "42", "-7", "3.5", "x=1;y=2", "a,b,,c", "  lead", "trail  ", "\\n\\n", "Zürich", "🙂 ok"]
TEXTS = ["user", "assistant", "system", "tool", "Hello", "a b  c", " x ", "", "\n", "\t.\n", "é", "STRASSE", "日本語 text", "it's", '"q"',
         "<|im_end|>", "</think>\n\nanswer", "<think>\nhm\n</think>\nyes", "line one\nline two\n", "x\r\ny", "🙂 ok", "[INST] {{ x }} [/INST]",
         "tab\there", "a\\b", "\u00a0nbsp\u00a0", "{% if %}", "0", "12", "mixed Case words-here (and there)"]
ROLES = ["user", "assistant", "system", "tool"]


class Maker:
    def __init__(self, rnd, wild=0.02):
        self.r = rnd
        self.wild = wild  # how often a value of any kind stands where another is expected
        self.vars = {"str": ["bos_token", "s", "u"], "int": ["n", "k"], "bool": ["add_generation_prompt", "flag"],
                     "list": ["lst", "names"], "dict": ["d"], "any": ["none", "tools", "missing"]}
        self.in_loop = 0
        self.count = 0
        self.macros = []

    def pick(self, *options):
        return self.r.choice(options)

    def some(self, p):
        return self.r.random() < p

    # ---- expressions ----

    def quoted(self):
        w = self.r.choice(WORDS)
        return f"'{w}'" if "'" not in w and self.some(0.7) else '"' + w.replace('\\"', "").replace('"', "") + '"'

    def int(self, depth=0):
        if self.some(self.wild):
            return self.any(depth + 1)
        if depth > 3 or self.some(0.4):
            return self.pick(str(self.r.randrange(-3, 12)), self.r.choice(self.vars["int"]), "loop.index" if self.in_loop else "1",
                             "loop.index0" if self.in_loop else "0")
        a = lambda: self.int(depth + 1)
        return self.pick(
            lambda: f"{a()} {self.pick('+', '-', '*', '%', '//')} {a()}", lambda: f"({a()} + {a()})", lambda: f"{self.any_sized(depth + 1)} | length",
            lambda: f"-{a()}", lambda: f"({self.str(depth + 1)}).find({self.quoted()})", lambda: f"({self.str(depth + 1)}).count({self.quoted()})",
            lambda: f"{self.str(depth + 1)} | int", lambda: f"{self.str(depth + 1)} | int({a()})", lambda: f"({a()}) | abs",
            lambda: f"{self.ints(depth + 1)} | sum", lambda: f"{self.ints(depth + 1)} | {self.pick('min', 'max')}",
            lambda: f"({a()} if {self.bool(depth + 1)} else {a()})", lambda: f"{a()} ** 2",
            lambda: f"({self.ints(depth + 1)})[{self.r.randrange(-2, 3)}] | default({a()})", lambda: f"{a()} / 2", lambda: f"({a()}) | float",
            lambda: "loop.revindex" if self.in_loop else a(), lambda: "loop.length" if self.in_loop else a(), lambda: "loop.depth" if self.in_loop else a())()

    def str(self, depth=0):
        if self.some(self.wild):
            return self.any(depth + 1)
        if depth > 3 or self.some(0.3):
            return self.pick(self.quoted(), self.r.choice(self.vars["str"]), "message.content" if self.in_loop else self.quoted(),
                             "message['role']" if self.in_loop else "messages[0].content", "messages[-1]['role']")
        a = lambda: self.str(depth + 1)
        return self.pick(
            lambda: f"{a()} + {a()}", lambda: f"{a()} ~ {self.any(depth + 1)}", lambda: f"{a()} | trim", lambda: f"({a()}).strip({self.pick('', self.quoted())})",
            lambda: f"({a()}).{self.pick('lstrip', 'rstrip')}({self.pick('', self.quoted())})", lambda: f"({a()}) | {self.pick('upper', 'lower', 'title', 'capitalize')}",
            lambda: f"({a()}).{self.pick('upper', 'lower', 'title', 'capitalize')}()", lambda: f"({a()})[{self.slice()}]", lambda: f"({a()})[{self.int(depth + 2)}]",
            lambda: f"{a()} | replace({self.quoted()}, {self.quoted()})", lambda: f"({a()}).replace({self.quoted()}, {self.quoted()}{self.pick('', ', 1')})",
            lambda: f"{self.strs(depth + 1)} | join({self.quoted()})", lambda: f"{self.quoted()}.join({self.strs(depth + 1)})",
            lambda: f"({a()} if {self.bool(depth + 1)} else {a()})", lambda: f"({a()} if {self.bool(depth + 1)})",
            lambda: f"({a()}).split({self.pick('', self.quoted())})[{self.r.randrange(-2, 3)}]", lambda: f"({a()}).{self.pick('split', 'rsplit')}({self.quoted()}, {self.r.randrange(3)})[0]",
            lambda: f"{self.any(depth + 1)} | string", lambda: f"{self.any(depth + 1)} | tojson", lambda: f"{self.dict(depth + 1)} | tojson(indent={self.r.randrange(5)})",
            lambda: f"{a()} | first", lambda: f"{a()} | last", lambda: f"{a()} | default({self.quoted()}{self.pick('', ', true')})",
            lambda: f"{a()} * {self.r.randrange(-1, 4)}", lambda: f"{a()} | indent({self.r.randrange(5)}{self.pick('', ', true', ', first=true', ', blank=true')})",
            lambda: f"{a()} | reverse", lambda: f"({self.dict(depth + 1)}).get({self.quoted()}, {a()})", lambda: f"({a()}).removeprefix({self.quoted()})",
            lambda: f"({a()}).partition({self.quoted()})[{self.r.randrange(3)}]", lambda: self.macro_call(depth), lambda: "loop.cycle('odd', 'even')" if self.in_loop else a())()

    def bool(self, depth=0):
        if self.some(self.wild):
            return self.any(depth + 1)
        if depth > 3 or self.some(0.2):
            return self.pick("true", "false", self.r.choice(self.vars["bool"]), "loop.first" if self.in_loop else "true", "loop.last" if self.in_loop else "not flag")
        s, i, b, x = (lambda f=f: f(depth + 1) for f in (self.str, self.int, self.bool, self.any))
        return self.pick(
            lambda: f"{s()} {self.pick('==', '!=', '<', '>=')} {s()}", lambda: f"{i()} {self.pick('==', '!=', '<', '<=', '>', '>=')} {i()}",
            lambda: f"{i()} < {i()} <= {i()}", lambda: f"{s()} {self.pick('in', 'not in')} {self.pick(s(), self.strs(depth + 1))}", lambda: f"not {b()}",
            lambda: f"{b()} {self.pick('and', 'or')} {b()}", lambda: f"({b()})", lambda: f"({s()}).{self.pick('startswith', 'endswith')}({self.quoted()})",
            lambda: f"{x()} is {self.pick('', 'not ')}{self.pick('defined', 'none', 'string', 'mapping', 'iterable', 'true', 'false', 'number', 'sequence', 'boolean', 'integer', 'undefined', 'float', 'callable')}",
            lambda: f"({i()}) is {self.pick('odd', 'even', 'divisibleby 3', 'divisibleby(2)')}", lambda: f"{x()} {self.pick('==', '!=')} {x()}",
            lambda: f"{self.quoted()} in {self.dict(depth + 1)}", lambda: f"message.{self.pick('role', 'content', 'other')} is defined" if self.in_loop else b(),
            lambda: f"({s()}) is {self.pick('eq', 'ne', 'in')} {s()}", lambda: f"({s()}).{self.pick('isspace', 'isdigit', 'isalpha')}()")()

    def ints(self, depth=0):
        if depth > 3 or self.some(0.3):
            return self.pick("lst", "[1, 2, 3]", "[]", "(4, 5)", f"range({self.r.randrange(6)})")
        return self.pick(lambda: f"range({self.int(depth + 2)} % 7, {self.r.randrange(8)})", lambda: f"[{self.int(depth + 1)}, {self.int(depth + 1)}]", lambda: f"{self.ints(depth + 1)} | list",
                         lambda: f"{self.ints(depth + 1)} | select({self.pick(repr('odd'), repr('even'), repr('gt') + ', 1')}) | list",
                         lambda: f"{self.ints(depth + 1)} | sort{self.pick('', '(reverse=true)')}", lambda: f"({self.ints(depth + 1)} | list)[{self.slice()}]",
                         lambda: f"{self.ints(depth + 1)} | reverse | list", lambda: f"{self.ints(depth + 1)} | unique | list", lambda: f"range({self.r.randrange(9)}, 0, {self.pick(-1, -2, -3)})")()

    def strs(self, depth=0):
        if depth > 3 or self.some(0.3):
            return self.pick("names", "['a', 'b', 'C']", "[]", "d.keys()", "d | list", "'a b c'.split()")
        return self.pick(lambda: f"[{self.str(depth + 1)}, {self.str(depth + 1)}]", lambda: f"messages | map(attribute='{self.pick('role', 'content')}') | list",
                         lambda: f"({self.str(depth + 1)}).split({self.pick('', self.quoted())})", lambda: f"{self.strs(depth + 1)} | map('{self.pick('upper', 'trim', 'lower', 'title')}') | list",
                         lambda: f"({self.str(depth + 1)}).splitlines()", lambda: f"{self.strs(depth + 1)} | sort", lambda: f"({self.strs(depth + 1)} | list)[{self.slice()}]",
                         lambda: f"messages | {self.pick('selectattr', 'rejectattr')}('role', 'equalto', '{self.r.choice(ROLES)}') | map(attribute='content') | list",
                         lambda: f"{self.strs(depth + 1)} | reject('eq', {self.quoted()}) | list", lambda: f"{self.str(depth + 1)} | list", lambda: f"({self.strs(depth + 1)} | list) + ['z']",
                         lambda: f"{self.strs(depth + 1)} | unique | list")()

    def dict(self, depth=0):
        if depth > 3 or self.some(0.5):
            return self.pick("d", "messages[0]", "{'a': 1, 'b': [1, 'x']}", "{}", "dict(role='user')")
        return self.pick(lambda: "{" + ", ".join(f"{self.pick(self.quoted(), str(self.r.randrange(3)))}: {self.any(depth + 1)}" for _ in range(self.r.randrange(4))) + "}",
                         lambda: f"dict(x={self.any(depth + 1)})", lambda: f"dict(d, y={self.any(depth + 1)})", lambda: "message" if self.in_loop else "d")()

    def any_sized(self, depth):
        return self.pick(self.str, self.ints, self.strs, self.dict)(depth) if self.some(0.7) else "messages"

    def any(self, depth=0):
        if self.some(0.1):
            return self.pick("none", "missing", "tools", "messages", "d.a", "d['b']", "d.nothing", "1.5", "1e3", "messages[99]", "s.nothing", "0.1 + 0.2", "(1,)", "[[]]", "d.items() | list")
        return self.pick(self.str, self.int, self.bool, self.ints, self.strs, self.dict)(min(depth, 4))

    def slice(self):
        part = lambda: self.pick("", "", str(self.r.randrange(-4, 6)))
        return f"{part()}:{part()}" + self.pick("", "", f":{self.pick('', '-1', '2', '-2')}")

    def macro_call(self, depth):
        if not self.macros:
            return self.quoted()
        name, n = self.r.choice(self.macros)
        args = [self.any(depth + 2) for _ in range(self.r.randrange(n + 1))]
        if self.some(0.2):
            args.append(f"p{n - 1}={self.any(depth + 2)}") if n else None
        return f"{name}({', '.join(args)})"

    # ---- statements ----

    def open(self):
        return self.pick("{%", "{%", "{%-", "{%-", "{%+")

    def close(self):
        return self.pick("%}", "%}", "-%}", "-%}", "+%}")

    def tag(self, text):
        return f"{self.open()} {text} {self.close()}"

    def space(self):
        return self.pick("", "", "", " ", "\n", "\n  ", "  \n", "\n\n", "\t", "text", " a < b ", "é\n", "{ x }", "#", "%}", "\r\n", "end.")

    def name(self, kind):
        self.count += 1
        if self.some(0.4) and self.vars[kind]:
            known = [v for v in self.vars[kind] if v not in ("none", "missing")]
            if known:
                return self.r.choice(known)
        fresh = f"v{self.count}"
        self.vars[kind].append(fresh)
        return fresh

    def body(self, depth, n=None):
        out = [self.space()]
        for _ in range(self.r.randrange(1, 4) if n is None else n):
            out.append(self.statement(depth))
            out.append(self.space())
        return "".join(out)

    def output(self):
        return f"{self.pick('{{', '{{', '{{-')} {self.any()} {self.pick('}}', '}}', '-}}')}"

    def for_loop(self, depth):
        keep = {k: list(v) for k, v in self.vars.items()}
        what = self.r.randrange(5)
        test = f" if {self.bool(2)}" if self.some(0.2) else ""
        if what < 2:
            head, var = f"for message in messages{self.pick('', '[1:]', '[::-1]', ' | list')}", None
        elif what == 2:
            head, var = f"for x in {self.ints(1)}", ("int", "x")
        elif what == 3:
            head, var = f"for key, val in d.items(){self.pick('', ' | list')}", ("str", "key")
        else:
            head, var = f"for y in {self.strs(1)}", ("str", "y")
        if test and var and self.some(0.7):
            test = f" if {var[1]} != {self.quoted()}"
        if var:
            self.vars[var[0]].append(var[1])
        before, self.in_loop = self.in_loop, 1 if what < 2 else 0
        text = self.tag(head + test) + self.body(depth + 1)
        if self.some(0.2):
            text += self.tag(f"if {self.bool(1)}") + self.tag(self.pick("break", "continue")) + self.tag("endif")
        self.in_loop = before
        self.vars = keep
        if self.some(0.2):
            text += self.tag("else") + self.body(depth + 1, 1)
        return text + self.tag("endfor")

    def if_(self, depth):
        text = self.tag(f"if {self.bool()}") + self.body(depth + 1)
        while self.some(0.3):
            text += self.tag(f"elif {self.bool()}") + self.body(depth + 1)
        if self.some(0.4):
            text += self.tag("else") + self.body(depth + 1)
        return text + self.tag("endif")

    def set(self):
        kind = self.pick("str", "int", "bool", "list", "dict")
        make = {"str": self.str, "int": self.int, "bool": self.bool, "list": self.strs, "dict": self.dict}[kind]
        value = make(0)
        if self.some(0.1):
            return self.tag(f"set {self.name('str')}, {self.name('int')} = {self.str(1)}, {self.int(1)}")
        return self.tag(f"set {self.name(kind)} = {value}")

    def set_block(self, depth):
        flt = self.pick("", "", " | trim", " | upper", " | replace('a', 'b') | trim")
        keep = {k: list(v) for k, v in self.vars.items()}
        body = self.body(depth + 1)
        self.vars = keep
        return self.tag(f"set {self.name('str')}{flt}") + body + self.tag("endset")

    def macro(self, depth):
        keep, loop = {k: list(v) for k, v in self.vars.items()}, self.in_loop
        n = self.r.randrange(3)
        first_default = self.r.randrange(n + 1)
        params = [f"p{i}" + (f"={self.any(2)}" if i >= first_default else "") for i in range(n)]
        self.in_loop = 0
        self.vars["any"] += [f"p{i}" for i in range(n)]
        macros, self.macros = self.macros, []
        body = self.body(depth + 1)
        self.macros = macros
        self.vars, self.in_loop = keep, loop
        self.count += 1
        name = f"m{self.count}"
        text = self.tag(f"macro {name}({', '.join(params)})") + body + self.tag("endmacro")
        self.macros = self.macros + [(name, n)]
        return text

    def namespace(self, depth):
        self.count += 1
        ns = f"ns{self.count}"
        text = self.tag(f"set {ns} = namespace(a={self.any(1)}, b={self.int(1)})")
        text += self.tag("for message in messages")
        before, self.in_loop = self.in_loop, 1
        text += self.tag(f"set {ns}.a = {self.any(1)}") + self.tag(f"if {self.bool(1)}") + self.tag(f"set {ns}.b = {ns}.b + 1") + self.tag("endif")
        self.in_loop = before
        return text + self.tag("endfor") + "{{ " + ns + ".b }}{{ " + ns + ".a }}{{ " + ns + ".c is defined }}"

    def statement(self, depth):
        if depth > 3:
            return self.output()
        return self.pick(
            self.output, self.output, self.output, lambda: self.for_loop(depth), lambda: self.if_(depth), self.set, self.set, lambda: self.set_block(depth),
            lambda: self.macro(depth) if not self.in_loop and depth == 0 else self.output(), lambda: self.namespace(depth),
            lambda: "{#" + self.pick("", "-", "+") + self.space() + self.pick("", "-") + "#}",
            lambda: f"{self.open()} raw {self.pick('%}', '-%}')}" + self.pick("{{ x }}", " {% if %} ", "\n{#") + self.tag("endraw"),
            lambda: self.tag("generation") + self.output() + self.tag("endgeneration"),
            lambda: self.tag(f"with w = {self.any(1)}") + self.output() + "{{ w }}" + self.tag("endwith"))()


# Jinja and Python that the engine does not have: each is refused by the name that stands first.
STRANGE = [("groupby", "{{ messages | groupby('role') | list | length }}"), ("do", "{% do d %}"), ("zfill", "{{ s.zfill(9) }}"),
           ("block", "{% block a %}x{% endblock %}"), ("%", "{{ '%s' % n }}"), ("wordcount", "{{ s | wordcount }}"), ("batch", "{{ lst | batch(2) | list }}"),
           ("call", "{% call f() %}{% endcall %}"), ("recursive", "{% for q in lst recursive %}{{ q }}{% endfor %}"), ("escaped", "{{ s is escaped }}"),
           ("lipsum", "{{ lipsum is defined }}"), ("format", "{{ '%s' | format(n) }}"), ("swapcase", "{{ u.swapcase() }}"), ("*", "{{ dict(*lst) }}"),
           ("filter", "{% filter upper %}x{% endfilter %}"), ("autoescape", "{% autoescape true %}x{% endautoescape %}"), ("cycler", "{{ cycler(1, 2).next() }}"),
           ("groupby", "{{ messages | map('groupby', 'role') | list }}"), ("startswith", "{{ s.startswith('a', 1) }}"), ("loop", "{% set loop = 3 %}"),
           ("center", "{{ u.center(20, 'é') }}"), ("dictsort", "{{ d | dictsort | length }}"), ("import", "{% import 'x' as y %}"), ("print", "{% print n %}")]


def template(rnd, wild=0.02):
    text = Maker(rnd, wild).body(0, rnd.randrange(2, 7))
    return text + rnd.choice(STRANGE)[1] + "\n" if rnd.random() < 0.1 else text


def conversation(rnd):
    n = rnd.randrange(6)
    return [{"role": rnd.choice(ROLES), "content": rnd.choice(TEXTS)} for _ in range(n)]


def variables(rnd):
    return {"messages": conversation(rnd), "bos_token": rnd.choice(["<s>", "<|begin|>", ""]), "eos_token": "</s>",
            "add_generation_prompt": rnd.random() < 0.5, "tools": None, "documents": None, "s": rnd.choice(TEXTS), "u": rnd.choice(TEXTS),
            "n": rnd.randrange(-5, 20), "k": rnd.randrange(4), "flag": rnd.random() < 0.5, "lst": [rnd.randrange(9) for _ in range(rnd.randrange(5))],
            "names": [rnd.choice(TEXTS) for _ in range(rnd.randrange(4))], "d": {"a": rnd.choice(TEXTS), "b": rnd.randrange(9), "c": None, "é": [1, 2.5, True]}}


def usual(rnd):
    """A conversation as people have it: perhaps a system prompt, then turns."""
    talk = [{"role": "system", "content": rnd.choice(TEXTS)}] if rnd.random() < 0.4 else []
    for i in range(rnd.randrange(1, 7)):
        talk.append({"role": ("user", "assistant")[i % 2], "content": rnd.choice(TEXTS)})
    return {"messages": talk, "add_generation_prompt": rnd.random() < 0.6, "bos_token": "<s>", "eos_token": "</s>", "tools": None, "documents": None}
