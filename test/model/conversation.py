"""conversation.py DIR template | talk EXE | interp COMMAND...: a conversation, and what it has to be."""
import struct
import subprocess
import sys

TEMPLATE = ("{{ bos_token }}{% for m in messages %}{{ m.role | upper }}:\n{{ m.content | trim }}{{ eos_token }}\n{% endfor %}"
            "{% if add_generation_prompt %}ASSISTANT:\n{% endif %}")
SYSTEM, SAID = "You are a king.", ["Who comes here?", "And what would <|end|> you have of me?", "Then go."]
FLAGS = ["-n", "20", "--temp", "0.7", "-s", "3", "-c", "1000"]
folder, what, rest = sys.argv[1], sys.argv[2], sys.argv[3:]


def run(*command, text=""):
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done
    return done.stdout.decode()


def render(messages, bos, eos):
    return bos + "".join(f"{role.upper()}:\n{text.strip()}{eos}\n" for role, text in messages) + "ASSISTANT:\n"


def held(path):
    with open(path, "rb") as f:
        data = f.read()
    return data, struct.unpack_from("<%dI" % struct.unpack_from("<I", data, 12)[0], data, 128)


def talk(exe):
    bos, eos = (run(exe, "run", "--special", "--echo", "-n", "0", "-q", "--tokens", i) for i in ("1022", "1023"))
    script = "".join(s + "\n" for s in SAID)
    out = run(exe, "chat", "--system", SYSTEM, *FLAGS, "--prompt-cache", f"{folder}/chat.cache", text=script)
    messages, want = [("system", SYSTEM)], ""
    for said in SAID:
        messages.append(("user", said))
        # Nothing of these messages is special: they are encoded with special tokens allowed as without.
        answer = run(exe, "run", "--special", "--no-bos", *FLAGS, "-q", "-f", "-", text=render(messages, bos, eos))
        answer = answer.replace(bos, "").replace(eos, "")
        messages.append(("assistant", answer))
        want += answer + "\n"
    assert out == want, (out, want)
    data, ids = held(f"{folder}/chat.cache")
    run(exe, "run", "--tokens", ",".join(map(str, ids)), "-n", "0", "-c", "1000", "-q", "--prompt-cache", f"{folder}/run.cache")
    assert held(f"{folder}/run.cache")[0] == data, "the caches differ"
    again = run(exe, "chat", "--system", SYSTEM, *FLAGS, "--prompt-cache", f"{folder}/chat.cache", text=script)
    assert again == out, "another conversation with the prompt cache"
    with open(f"{folder}/answers", "w", encoding="utf-8") as f:
        f.write(out)
    print(out)


if what == "template":
    sys.stdout.write(TEMPLATE)
elif what == "talk":
    talk(rest[0])
else:
    with open(f"{folder}/answers", encoding="utf-8") as f:
        want = f.read()
    got = run(*rest, "--system", SYSTEM, *FLAGS, text="".join(s + "\n" for s in SAID))
    assert got == want, (got, want)
