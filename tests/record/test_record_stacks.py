"""Call stacks as py-spy and perf print them, and as tools for flame graphs read them."""

from __future__ import annotations

from loadgate.record.stacks import Frame, collapsed, read_collapsed, read_perf_script

SHELL = 'process 7:"sh -c app --password (hunter2); true 5";process 9:"python app.py --token x";'


def test_what_py_spy_writes() -> None:
    text = "<module> (app.py:1);Shop.pay (shop/pay.py:12) 25\n<module> (app.py:1) 3\n"
    assert read_collapsed(text) == {
        (Frame("<module>", "app.py", 1), Frame("Shop.pay", "shop/pay.py", 12)): 25,
        (Frame("<module>", "app.py", 1),): 3,
    }


def test_of_commands_nothing_is_kept() -> None:
    stacks = read_collapsed(f"{SHELL}<module> (app.py:1) 3\n")
    assert stacks == {(Frame("<module>", "app.py", 1),): 3}


def test_a_command_of_several_lines_is_passed_over() -> None:
    stacks = read_collapsed('process 7:"python -c x = 5\nprint(x)";<module> (<string>:1) 3\n')
    assert stacks == {(Frame("<module>", "<string>", 1),): 3}


def test_two_processes_of_one_program_are_counted_together() -> None:
    stacks = read_collapsed('process 7:"a";run (app.py:1) 3\nprocess 8:"a";run (app.py:1) 4\n')
    assert stacks == {(Frame("run", "app.py", 1),): 7}


def test_of_a_path_two_parts_are_kept() -> None:
    (stack,) = read_collapsed("run (/home/me/build-pr/app/main.py:1) 3\n")
    assert stack == (Frame("run", "app/main.py", 1),)


PERF = """\
server 19049/19050
\t           ff47a std::vector<int, std::allocator<int> >::at(unsigned long) const+0x1a (/opt/build/server)
\t    7fd9ef0129c0 [unknown] ([unknown])
\t           1af85 operator;new (/usr/lib/libc.so.6 (deleted))
\t           11000 main+0x20 (/opt/build/server)

server 19049/19049
\tffffffff81000000 do_syscall_64 ([kernel.kallsyms])

server 19049/19049
\t    7fd9ef0129c0 [unknown] ([unknown])

"""


def test_what_perf_prints() -> None:
    at = Frame("std::vector<int, std::allocator<int> >::at(unsigned long) const", "server")
    new, main = Frame("operator:new", "libc.so.6 (deleted)"), Frame("main", "server")
    assert read_perf_script(PERF) == {(main, new, at): 1, (Frame("do_syscall_64", "[kernel.kallsyms]"),): 1}


def test_what_is_written_is_read_back_and_has_the_most_frequent_first() -> None:
    text = "run (app.py:1);leaf (lib.so) 9\nrun (app.py:1) 3\n"
    assert collapsed(read_collapsed("".join(reversed(text.splitlines(keepends=True))))) == text
