#!/usr/bin/env python3
"""terminal.py FAKE_CHAT_SLOW DIR: `chat` on a terminal: prompts, Ctrl-C and Ctrl-D, errors that it survives."""
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time

exe, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
os.chdir(folder)
failed = 0
CTRL_C, CTRL_D = b"\x03", b"\x04"


def expect(what, ok, detail=""):
    global failed
    print(("ok: " if ok else "FAILED: ") + what, detail if not ok else "")
    failed += not ok


class Terminal:
    """The executable on a terminal of its own."""

    def __init__(self, *args):
        self.text, self.code = b"", None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(exe, [exe, "chat", "--temp", "0", "--ignore-eos", *args])

    def until(self, what, seconds=20):
        """Reads until `what` has come since the last call; what came, or None."""
        end = time.monotonic() + seconds
        while what not in self.text:
            if time.monotonic() > end or not select.select([self.fd], [], [], end - time.monotonic())[0]:
                return None
            try:
                more = os.read(self.fd, 4096)
            except OSError:  # the other side is closed
                return None
            if not more:
                return None
            self.text += more
        at = self.text.index(what) + len(what)
        came, self.text = self.text[:at], self.text[at:]
        return came

    def send(self, keys):
        os.write(self.fd, keys)

    def ended(self, seconds=20):
        """The exit code, with what was printed before it in self.text."""
        self.until(b"\0never", seconds)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


t = Terminal("-n", "6")
expect("it says hello and prompts", b"/help says what there is" in (t.until(b"> ") or b""))
t.send(b"hello\n")
answer = t.until(b"(cut after 6 tokens, as -n says)")
expect("an answer, and why it ended", answer is not None and t.until(b"> ") is not None, t.text)
t.send(b"one\\\n")
expect("a line that goes on has its prompt", t.until(b". ") is not None)
t.send(b"two\n")
expect("and is answered", t.until(b"(cut after") is not None and t.until(b"> ") is not None)
t.send(b'"""a block\n')
expect("a block has its prompt", t.until(b". ") is not None)
t.send(CTRL_C)
expect("Ctrl-C gives it up", t.until(b"(Ctrl-C again, Ctrl-D or /exit ends)") is not None and t.until(b"> ") is not None)
t.send(b"/wrong\n")
expect("an unknown command is said", t.until(b"(unknown command '/wrong'; /help lists them)") is not None
       and t.until(b"> ") is not None)
t.send(CTRL_C)
expect("Ctrl-C after something else is a first one", t.until(b"ends)") is not None and t.until(b"> ") is not None)
t.send(b"/help\n")
expect("/help", t.until(b"/save FILE") is not None and t.until(b"> ") is not None)
t.send(CTRL_D)
expect("Ctrl-D ends", t.ended() == 0)

t = Terminal("--prompt-cache", "cache")
t.until(b"> ")
t.send(b"hello\n")
t.until(b"hello\r\n")
while len(t.text) < 6:
    t.text += os.read(t.fd, 100)
t.send(CTRL_C)
expect("Ctrl-C stops an answer", t.until(b"(stopped)") is not None and t.until(b"> ") is not None)
t.send(b"/save talk\n")
t.until(b"> ")
with open("talk", encoding="utf-8") as f:
    expect("what was said so far is in the conversation", f.read().count('"role": "assistant"') == 1)
t.send(b"hello\n")
t.until(b"hello\r\n")
while len(t.text) < 6:
    t.text += os.read(t.fd, 100)
t.send(CTRL_C)
expect("and another one", t.until(b"(stopped)") is not None and t.until(b"> ") is not None)
t.send(CTRL_C)
expect("Ctrl-C at the prompt asks", t.until(b"ends)") is not None and t.until(b"> ") is not None)
t.send(CTRL_C)
expect("and twice ends with 130", t.ended() == 130)
expect("the prompt cache is kept", os.path.exists("cache") and os.listdir(".").count("cache") == len(os.listdir(".")) - 1,
       os.listdir("."))

t = Terminal("-c", "40")
t.until(b"> ")
t.send(b"hello\n")
expect("a full context is said", t.until(b"(the context of 40 positions is full; /reset begins a new conversation)")
       is not None and t.until(b"> ") is not None)
t.send(b"hello\n")
expect("what does not fit is said", t.until(b"the context holds 40; /reset begins a new one)") is not None
       and t.until(b"> ") is not None)
t.send(b"/reset\n")
t.until(b"> ")
t.send(b"hello\n")
expect("and /reset helps", t.until(b"is full") is not None and t.until(b"> ") is not None)
t.send(b"/save none/x\n")
expect("/save into nowhere is said", t.until(b"none/x: cannot be created") is not None and t.until(b"> ") is not None)
t.send(b"/exit\n")
expect("/exit ends", t.ended() == 0)

t = Terminal("--chunk", "1")
t.until(b"> ")
t.send(b"hello the world, " * 20 + b"end\n")
t.until(b"end\r\n")
time.sleep(0.7)  # of three seconds and more that the prompt takes
t.send(CTRL_C)
expect("Ctrl-C before the first token", t.until(b"(stopped)") is not None and t.until(b"> ") is not None)
t.send(b"/save talk\n")
t.until(b"> ")
with open("talk", encoding="utf-8") as f:
    expect("drops the message", f.read() == "[]\n")
t.send(b"hello\n")
t.until(b"hello\r\n")
time.sleep(0.1)
os.kill(t.pid, signal.SIGTERM)
expect("SIGTERM ends with 143", t.ended() == 143)

# Without a terminal: a signal ends it with its code and what there was, and so does a reader that goes away.
for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
    p = subprocess.Popen([exe, "chat", "--ignore-eos"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdin.write(b"hello\n")
    p.stdin.flush()
    head = p.stdout.read(4)
    p.send_signal(number)
    out, err = p.communicate(timeout=20)
    expect(f"a script ends with {code}", p.returncode == code and out.endswith(b"\n") and err == b"", (p.returncode, out, err))
p = subprocess.Popen([exe, "chat", "--ignore-eos", "-p", "hello"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
p.stdout.read(4)
p.stdout.close()
expect("a reader that goes away ends it quietly", p.wait(timeout=20) == 5 and p.stderr.read() == b"", p.returncode)
sys.exit(1 if failed else 0)
