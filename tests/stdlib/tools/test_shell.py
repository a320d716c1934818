"""Shell commands: what is refused, and what runs."""

import tempfile
from pathlib import Path

import pytest
from attrs import evolve

from mellea.stdlib.tools.mellea_tool import MelleaTool
from mellea.stdlib.tools.shell import (
    Program,
    ShellRules,
    StaticBashEnvironment,
    bash_executor,
    get_bash_violations,
    run_command,
)

LOOK = StaticBashEnvironment()

ALLOWED = [
    "ls -la",
    "cat README.md",
    "echo 'a | b' \"c && d\"",
    "grep -rn 'def .*(' .",
    "grep -E 'a|b' x.txt",
    "awk '{print $1}' data.txt",
    "awk '$3 > 5 {print $1}' data.txt",
    "sed -n '1,5p' x.txt",
    "sed 's/every/each/g' x.txt",
    "git status",
    "git log --oneline -n 5",
    "git diff HEAD~1",
    "git add -A",
    "git commit -m 'Say more'",
    "git push origin main",
    "git checkout -b topic",
    "git branch topic",
    "rm file.txt",
    "rm -f file.txt",
    "mkdir -p a/b",
    "cp a.txt b.txt",
    "mv a.txt b.txt",
    "touch new.txt",
    "find . -name '*.py' -type f",
    "bash script.sh",
    "sh script.sh arg",
    "env bash script.sh",
    "timeout 5 sh script.sh",
    "python3 script.py --flag",
    "nice -n 10 ls",
    "env A=b ls",
    "pip list",
    "pip show attrs",
    "tar -tf a.tar",
    "tar -czf a.tar.gz folder",
    "cat /etc/hosts",
    "head -n 3 /etc/passwd",
    "[ -f x.txt ]",
    "python3 --version",
    "sort -u x.txt",
    "dd if=a.txt of=b.txt",
    "/usr/bin/ls",
]

REFUSED = {
    # what the shell would make of it
    "ls | wc -l": "pipe is not allowed",
    "ls > out.txt": "redirection is not allowed",
    "cat < in.txt": "redirection is not allowed",
    "ls 2>&1": "redirection is not allowed",
    "ls; pwd": "not allowed",
    "ls && pwd": "Chaining",
    "ls || pwd": "Chaining",
    "ls &": "background",
    "ls\npwd": "Chaining",
    "echo $(pwd)": "command substitution",
    "echo `pwd`": "command substitution",
    "echo $HOME": "variable",
    "echo ${HOME}": "expansion",
    'echo "$HOME"': "variable",
    "echo $((1+1))": "arithmetic",
    "diff <(ls) <(ls)": "process substitution",
    "cat <<< text": "here string",
    "cat << E\nx\nE": "not allowed",
    "(ls)": "subshell",
    "{ ls; }": "group",
    "! ls": "negation",
    "A=b ls": "assignment",
    "A=b": "assignment",
    "if true; then ls; fi": "not allowed",
    "while true; do ls; done": "not allowed",
    "f() { ls; }": "function",
    "echo $'a'": "not allowed",
    "ls # all": "comment",
    "echo 'a;b'": "semicolon",
    "find . -exec ls {} \\;": "semicolon",
    # privileges and users
    "sudo ls": "privileges",
    "/usr/bin/sudo ls": "privileges",
    "env sudo ls": "privileges",
    "timeout 5 sudo ls": "privileges",
    "echo sudo": "privileges",
    "su - root": "privileges",
    "doas ls": "privileges",
    "passwd": "privileges",
    "useradd x": "privileges",
    # shells and code
    "bash": "Interactive shell",
    "sh -i": "Interactive shell",
    "bash -l": "Interactive shell",
    "bash --login": "Interactive shell",
    "zsh -s": "Interactive shell",
    "env bash": "Interactive shell",
    "env -i A=b bash": "Interactive shell",
    "nohup nice -n 5 sh": "Interactive shell",
    "python3": "Interactive shell",
    "python3 -": "Interactive shell",
    "bash -c 'ls'": "code as an option",
    "bash -xc 'ls'": "code as an option",
    "sh -c ls": "code as an option",
    "python3 -c 'print(1)'": "code as an option",
    "python3 -Ic 'print(1)'": "code as an option",
    "python3 -m http.server": "code as an option",
    "env python3 -c 'print(1)'": "code as an option",
    "timeout 5 python3 -c 'print(1)'": "code as an option",
    "perl -e 'print 1'": "code as an option",
    "perl -ne 'print'": "code as an option",
    "ruby -e 'p 1'": "code as an option",
    "node --eval 'x'": "code as an option",
    "node -e 'x'": "code as an option",
    "env -S 'sh -c ls'": "not allowed",
    "awk 'BEGIN{system(\"ls\")}'": "not allowed",
    "awk 'BEGIN{\"ls\" | getline x}'": "not allowed",
    "awk '{print > \"out\"}' x": "not allowed",
    "awk -f script.awk x": "not allowed",
    "sed 's/a/b/e' x": "not allowed",
    "sed 'w /etc/x' x": "not allowed",
    "sed -i s/a/b/ x": "not allowed",
    "xargs rm": "no rule names this program",
    "eval ls": "no rule names this program",
    "exec ls": "no rule names this program",
    "curl http://x": "no rule names this program",
    "wget http://x": "no rule names this program",
    "ssh host": "no rule names this program",
    "nc -l 80": "no rule names this program",
    "docker ps": "no rule names this program",
    "crontab -l": "no rule names this program",
    "kill 1": "no rule names this program",
    "mount /dev/sda /mnt": "no rule names this program",
    "./evil": "no rule names this program",
    "./ls": "named without a path",
    "/tmp/ls": "named without a path",
    # what destroys
    "rm -r x": "Destructive",
    "rm -rf x": "Destructive",
    "rm -fr x": "Destructive",
    "rm -R x": "Destructive",
    "rm --recursive x": "Destructive",
    "rm --recurs x": "Destructive",
    "nice rm -rf x": "Destructive",
    "timeout 5 rm -rf x": "Destructive",
    "find . -delete": "not allowed",
    "find . -exec rm {} +": "not allowed",
    "find . -execdir rm {} +": "not allowed",
    "git push --force": "Destructive",
    "git push -f": "Destructive",
    "git push --force-with-lease": "Destructive",
    "git push origin +main": "Destructive",
    "git push origin :main": "Destructive",
    "git push --mirror": "Destructive",
    "git reset --hard": "Destructive",
    "git reset --hard HEAD~1": "Destructive",
    "git clean -fd": "Destructive",
    "git checkout -f": "Destructive",
    "git checkout -- x": "Destructive",
    "git checkout .": "Destructive",
    "git branch -D topic": "Destructive",
    "git stash drop": "Destructive",
    "git commit --amend": "Destructive",
    "git rebase -i HEAD~2": "Destructive",
    "git -c core.pager=x log": "Destructive",
    "git filter-branch": "Destructive",
    "pip install x": "not allowed",
    "pip uninstall -y x": "not allowed",
    "apt-get install -f x": "no rule names this program",
    "tar xf a.tar": "not allowed",
    "tar -xf a.tar -C /etc": "not allowed",
    "tar --extract -f a.tar": "not allowed",
    "tar -cf a.tar --checkpoint-action=exec=sh x": "not allowed",
    "sort --compress-program=sh x": "not allowed",
    # what writes where it must not
    "touch /etc/x": "belongs to the system",
    "cp a /usr/bin/ls": "belongs to the system",
    "mv a /bin/x": "belongs to the system",
    "rm /etc/passwd": "belongs to the system",
    "tee /etc/x": "belongs to the system",
    "mkdir /boot/x": "belongs to the system",
    "ln -sf /etc/passwd /tmp/l": "belongs to the system",
    "ln a /etc/b": "belongs to the system",
    "dd if=a of=/dev/sda": "belongs to the system",
    "sort -o /etc/x a": "belongs to the system",
    "sort --output=/etc/x a": "belongs to the system",
    "tar -cf /etc/x.tar a": "belongs to the system",
    "touch /tmp/../etc/x": "belongs to the system",
    "env LD_PRELOAD=/tmp/x.so ls": "dangerous",
    "env HOME=/etc ls": "dangerous",
    "chmod 777 /etc/passwd": "belongs to the system",
    "truncate -s 0 /var/log/syslog": "belongs to the system",
}


@pytest.mark.parametrize("command", ALLOWED)
def test_ordinary_commands_are_allowed(command):
    found = LOOK.execute(command)
    assert (found.success, found.skipped) == (True, True), found.skip_message
    assert isinstance(found.analysis_result, list)
    assert found.stdout is None


@pytest.mark.parametrize("command", REFUSED)
def test_everything_else_is_refused_with_the_reason(command):
    found = LOOK.execute(command)
    assert (found.success, found.skipped) == (False, True)
    assert REFUSED[command] in found.skip_message
    assert "not allowed" in found.skip_message or "dangerous" in found.skip_message


@pytest.mark.parametrize("command", ["", "   "])
def test_an_empty_command_is_told(command):
    assert "empty" in LOOK.execute(command).skip_message


@pytest.mark.parametrize("command", ["echo 'a", 'echo "a', "echo a\0b"])
def test_what_does_not_parse_is_told(command):
    assert "does not parse" in LOOK.execute(command).skip_message


def test_refusals_can_be_listed():
    LOOK.execute("rm -rf everything-of-this-test")
    last = get_bash_violations()[-1]
    assert last.command == "rm -rf everything-of-this-test"
    assert (last.category, last.severity) == ("destructive", "high")
    assert "not allowed" in last.reason


def test_writes_stay_in_the_working_directory(tmp_path):
    here = StaticBashEnvironment(working_dir=tmp_path)
    assert here.execute("touch a.txt").success
    assert here.execute(f"touch {tempfile.gettempdir()}/a.txt").success
    assert "outside" in here.execute("touch ../../../outside.txt").skip_message
    assert "outside" in here.execute("touch /opt/x").skip_message


def test_links_are_followed(tmp_path):
    (tmp_path / "link").symlink_to("/etc")
    found = StaticBashEnvironment(working_dir=tmp_path).execute("touch link/x")
    assert "belongs to the system" in found.skip_message


def test_a_working_directory_that_is_not_there_refuses_writes(tmp_path):
    found = StaticBashEnvironment(working_dir=tmp_path / "none").execute("touch x")
    assert "cannot validate" in found.skip_message


def test_writes_stay_in_the_allowed_paths(tmp_path):
    there = StaticBashEnvironment(allowed_paths=[tmp_path])
    assert there.execute(f"touch {tmp_path}/a.txt").success
    assert "outside" in there.execute("touch /opt/a.txt").skip_message
    assert "system" in StaticBashEnvironment(allowed_paths=["/etc"]).execute("touch /etc/x").skip_message


def test_a_program_can_be_allowed(tmp_path):
    rules = ShellRules()
    more = evolve(rules, programs={**rules.programs, "make": Program(allowed=frozenset({"-n"}))})
    assert more.check("make -n") == ("make", "-n")
    with pytest.raises(Exception, match="not allowed"):
        more.check("make -C /etc")


def test_a_command_runs(tmp_path):
    (tmp_path / "a.txt").write_text("hello\n")
    found = bash_executor("cat a.txt", working_dir=str(tmp_path))
    assert (found.success, found.stdout, found.exit_code, found.skipped) == (True, "hello", 0, False)
    assert found.working_directory == str(tmp_path)


def test_a_command_writes_where_it_may(tmp_path):
    assert bash_executor("touch a.txt", working_dir=str(tmp_path)).success
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_script_gets_no_further_than_the_sandbox_lets_it(tmp_path):
    outside = Path(tempfile.mkdtemp(dir="/var/tmp"))
    (outside / "secret").write_text("secret-text")
    (tmp_path / "evil.sh").write_text(f"cat {outside}/secret\necho x > {outside}/new\necho done\n")
    found = bash_executor("sh evil.sh", working_dir=str(tmp_path))
    assert found.stdout == "done"
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_a_status_other_than_zero_is_no_success(tmp_path):
    found = bash_executor("ls nothing-there", working_dir=str(tmp_path))
    assert (found.success, found.skipped) == (False, False)
    assert "nothing-there" in found.stderr


def test_what_is_printed_is_cut_with_a_note(tmp_path):
    (tmp_path / "long.txt").write_text("x" * 50_000)
    found = bash_executor("cat long.txt", working_dir=str(tmp_path))
    assert found.stdout.endswith("Output truncated")
    assert len(found.stdout) < 11_000


async def test_a_command_that_takes_too_long_is_stopped(tmp_path):
    found = await run_command("sleep 30", ShellRules(working_dir=str(tmp_path)), seconds=0.5)
    assert (found.success, found.skipped, found.timed_out) == (False, True, True)
    assert "timed out" in found.skip_message


def test_a_working_directory_that_is_not_there_is_told(tmp_path):
    assert "does not exist" in bash_executor("ls", working_dir=str(tmp_path / "none")).skip_message


def test_a_program_that_is_not_installed_is_told(tmp_path):
    assert "no program 'Rscript'" in bash_executor("Rscript x.R", working_dir=str(tmp_path)).skip_message


def test_a_command_with_paths_runs_in_another_folder(tmp_path):
    written = tmp_path / "written"
    written.mkdir()
    found = bash_executor(f"touch {written}/a.txt", str(tmp_path), [str(written)])
    assert found.success, found


def test_it_is_a_tool_as_it_is(tmp_path):
    tool = MelleaTool.from_callable(bash_executor)
    assert tool.name == "bash_executor"
    assert tool.run(command="echo hi", working_dir=str(tmp_path)).stdout == "hi"
