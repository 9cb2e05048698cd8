"""competitors: each does the same job in its own best way, and leaves FOLDER/.../JGE.tar.gz.

A competitor is a function (bench, folder) -> the command that is timed. Where it needs something that is not timed,
it names another function to be called before. Masters whose sockets are in FOLDER/masters, or that recolte keeps, are
ended after the timed part, so that no round helps the next. docs/bench/README.md says in words how each does it: keep
the two together.
Limits: a competitor that fails on one host fails altogether; what they do about broken hosts is not compared here.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from typing import Callable, NamedTuple, Optional

from setting import ACCOUNT, GLOB, INSTALL, REMOTE, RUN_IT, STAGED, environment, quote

VENV = pathlib.Path(__file__).resolve().parent.parent.parent / "target/bench-venv/bin"
# The host's part of the job as one line: what comes after the upload, before the files come home.
ON_HOST = f"cp -P {STAGED} {REMOTE} && chmod 775 {REMOTE} && rm -f {STAGED} && sudo -n su - {ACCOUNT} -c {RUN_IT}"
# The same for those who tune by hand; it also gives the files, as a tar on stdout.
ALL_ON_HOST = (
    f"cp -P /tmp/x {REMOTE} && chmod 775 {REMOTE} && sudo -n su - {ACCOUNT} -c {RUN_IT} </dev/null >&2; "
    f"cd /tmp && tar -cf - {GLOB[5:]}; rm -f /tmp/x"
)


class Competitor(NamedTuple):
    command: Callable
    before: Optional[Callable] = None
    # Whether it brings the files home, to be checked.
    brings: bool = True
    # Whether the command is recolte itself, so that its own processor time and memory are told.
    ours: bool = False


# ---- recolte -------------------------------------------------------------------------------------------------------


def recolte(bench, out, binary=None, config=None, keep=False):
    return [binary or bench.options.recolte, "run", job(bench, out, config, keep), "--no-mail", "--quiet"]


def job(bench, out, config=None, keep=False):
    path = out / "job.toml"
    hosts = ", ".join(f'"{host}"' for host in bench.hosts)
    kept = 'keep = "10m"\n' if keep else ""
    path.write_text(
        f'name = "JGE"\noutput = "{out}/runs"\nparallel = {bench.options.parallel}\n'
        f'[targets]\nhosts = [{hosts}]\n[ssh]\nconfig = "{config or bench.config}"\n{kept}'
        f'[script]\nfile = "{bench.script}"\nargs = ["SOC_PRODUCTION"]\n'
        f'install = "{INSTALL}"\nrun_as = "{ACCOUNT}"\n'
        f'[collect]\nfiles = ["{GLOB}"]\nmax_file = "1TiB"\nmax_host = "1TiB"\n'
    )
    return path


def check(bench, out):
    """What people do before they run: recolte's own masters are there for the run, since it keeps them."""
    command = [bench.options.recolte, "check", job(bench, out, keep=True), "--quiet"]
    subprocess.run(command, env=environment(out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


def knows_keep(bench):
    """Whether this recolte can keep masters: one that cannot refuses the job's word for it."""
    with tempfile.TemporaryDirectory(dir=bench.work) as out:
        command = [bench.options.recolte, "hosts", job(bench, pathlib.Path(out), keep=True)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


# ---- plain OpenSSH -------------------------------------------------------------------------------------------------


def old(bench, out):
    """The old script's loop, as it was but for the mail: five connections a host, one host after the other."""
    client = f"-F {bench.config}"
    return shell(f"""
        mkdir {out}/JGE
        for SERVEUR in {" ".join(bench.hosts)}; do
            scp {client} {bench.script} $SERVEUR:/tmp
            ssh {client} $SERVEUR -- cp -P {STAGED} {INSTALL}
            ssh {client} $SERVEUR -- chmod 775 {REMOTE}
            echo $SERVEUR && ssh {client} $SERVEUR -- sudo su - {ACCOUNT} -c {RUN_IT}
            scp {client} $SERVEUR:{GLOB} {out}/JGE
        done
        {pack(out)}""")


def tuned(bench, out, config=None):
    """The best that plain OpenSSH can do by hand: one connection a host, one line that does it all."""
    client = f"-F {config or bench.config} -o BatchMode=yes"
    each = (
        f"mkdir {out}/JGE/$1; ssh {client} $1 {quote(f'cat >/tmp/x && {ALL_ON_HOST}')} "
        f"<{bench.script} 2>{out}/$1.err | tar -x -C {out}/JGE/$1"
    )
    return shell(f"mkdir {out}/JGE; {bench.each(each)}; {pack(out)}")


def tuned_sftp(bench, out):
    """As tuned, but the script goes up by SFTP: one connection a host still, a master that sftp and ssh share."""
    client = f"-F {bench.config} -o BatchMode=yes -o ControlPath={out}/masters/%n"
    each = (
        f"mkdir {out}/JGE/$1; ssh {client} -MNf $1 && echo put {bench.script} /tmp/x | sftp -q -b - {client} $1 && "
        f"ssh {client} $1 {quote(ALL_ON_HOST)} </dev/null 2>{out}/$1.err | tar -x -C {out}/JGE/$1; "
        f"ssh {client} -O exit $1"
    )
    return shell(f"mkdir {out}/JGE {out}/masters; {bench.each(each)}; {pack(out)}")


def bare(bench, _out):
    """No job at all: what only connecting costs."""
    return shell(bench.each(f"ssh -F {bench.config} -o BatchMode=yes $1 true"))


# ---- pssh and clush ------------------------------------------------------------------------------------------------


def pssh(bench, out, config=None):
    """A tool a step: parallel-scp, parallel-ssh, parallel-slurp."""
    (out / "hosts").write_text("".join(f"{host}\n" for host in bench.hosts))
    client = f"-F {config or bench.config} -o BatchMode=yes"
    common = f"-h {out}/hosts -p {bench.options.parallel} -x {quote(client)}"
    return shell(f"""set -e
        parallel-scp {common} {bench.script} {STAGED}
        parallel-ssh {common} {quote(ON_HOST)}
        parallel-slurp {common} -L {out}/JGE '{GLOB}' .
        {pack(out)}""")


def clush(bench, out, config=None):
    """--copy, run, --rcopy. That one copies one path a host, so the run gathers the files in a folder first."""
    client = f"-F {config or bench.config} -o BatchMode=yes"
    common = f"clush -S -w {','.join(bench.hosts)} -f {bench.options.parallel} -o {quote(client)}"
    gather = f"mkdir /tmp/JGE && cp -p {GLOB} /tmp/JGE"
    return shell(f"""set -e
        mkdir {out}/JGE
        {common} --copy {bench.script} --dest {STAGED}
        {common} {quote(f"{ON_HOST} && {gather}")}
        {common} -p --rcopy /tmp/JGE --dest {out}/JGE
        {pack(out)}""")


# ---- ansible -------------------------------------------------------------------------------------------------------


def ansible(bench, out):
    """A playbook with pipelining, shared connections, the free strategy, no facts; as few tasks as the job allows."""
    path = pathlib.PurePosixPath(GLOB)
    tasks = [
        {"copy": {"src": str(bench.script), "dest": STAGED, "mode": "0700"}},
        {"shell": ON_HOST},
        {"find": {"paths": str(path.parent), "patterns": path.name}, "register": "found"},
        {
            "fetch": {"src": "{{ item.path }}", "dest": f"{out}/JGE/{{{{ inventory_hostname }}}}/", "flat": True},
            "loop": "{{ found.files }}",
        },
    ]
    play = {"hosts": "all", "gather_facts": False, "strategy": "free", "tasks": tasks}
    (out / "play.yml").write_text(json.dumps([play]))
    (out / "inventory").write_text("".join(f"{host}\n" for host in bench.hosts))
    (out / "masters").mkdir()
    (out / "ansible.cfg").write_text(
        f"[defaults]\nhome = {out}/ansible\ninventory = {out}/inventory\nforks = {bench.options.parallel}\n"
        f"interpreter_python = /usr/bin/python3\n"
        f"[ssh_connection]\npipelining = True\ncontrol_path_dir = {out}/masters\n"
        f"ssh_args = -F {bench.config} -o ControlMaster=auto -o ControlPersist=60s\n"
    )
    return shell(f"""set -e
        export LC_ALL=C.UTF-8 ANSIBLE_CONFIG={out}/ansible.cfg
        {program("ansible-playbook")} {out}/play.yml
        {pack(out)}""")


# ---- connections that are shared, or already there -----------------------------------------------------------------


def shared(bench, out):
    """The lab's ssh_config, with a master that the first connection to a host makes and the next ones use."""
    masters = out / "masters"
    masters.mkdir()
    wanted = f"Host *\n    ControlMaster auto\n    ControlPath {masters}/%n\n    ControlPersist 60s\n"
    config = out / "ssh_config"
    config.write_text(wanted + bench.config.read_text())
    return config


def go_live(bench, out):
    """The masters are up before the job begins."""
    config = shared(bench, out)
    subprocess.run(shell(bench.each(f"ssh -F {config} -o BatchMode=yes -MNf $1")), check=True)


def live(do, **more):
    """A competitor that finds its masters live."""
    return Competitor(lambda bench, out: do(bench, out, config=out / "ssh_config"), before=go_live, **more)


def sharing(do):
    """A competitor whose connections to a host share one master, which its first step makes."""
    return Competitor(lambda bench, out: do(bench, out, config=shared(bench, out)))


def end_masters(out):
    """Ends what ControlPersist or recolte would keep, or what was put up before."""
    for path in [*out.glob("masters/*"), *out.glob("recolte-keep-*/*")]:
        if path.is_socket():
            command = ["ssh", "-F", "none", "-S", path, "-O", "exit", "none"]
            subprocess.run(command, stderr=subprocess.DEVNULL, check=False)


# ---- all of them ---------------------------------------------------------------------------------------------------


def shell(text):
    return ["sh", "-c", text]


def pack(out):
    return f"tar -czf {out}/JGE.tar.gz -C {out} JGE"


def program(name):
    """Where setup put it, else where PATH finds it."""
    return str(VENV / name) if (VENV / name).exists() else name


COMPETITORS = {
    "recolte": Competitor(recolte, ours=True),
    "recolte-live": live(recolte, ours=True),
    "recolte-keep": Competitor(partial(recolte, keep=True), before=check, ours=True),
    "tuned": Competitor(tuned),
    "tuned-live": live(tuned),
    "tuned-sftp": Competitor(tuned_sftp),
    "old": Competitor(old),
    "bare": Competitor(bare, brings=False),
    "pssh": Competitor(pssh),
    "pssh-shared": sharing(pssh),
    "clush": Competitor(clush),
    "clush-shared": sharing(clush),
    "ansible": Competitor(ansible),
}
# The program that each needs beyond OpenSSH, and its words for the version.
PROGRAMS = {"pssh": "parallel-ssh", "clush": "clush", "ansible": "ansible-playbook"}


def choose(bench):
    """The competitors of this sitting."""
    chosen = {name: COMPETITORS[name] for name in bench.options.names}
    if "recolte-keep" in chosen and not knows_keep(bench):
        print("bench: this recolte keeps no masters, so recolte-keep is left out", file=sys.stderr)
        del chosen["recolte-keep"]
    for path in bench.options.also:
        chosen[os.path.basename(path)] = Competitor(partial(recolte, binary=path), ours=True)
    return chosen


def missing(names):
    """The first program that is needed for these competitors and not there."""
    wanted = {program(PROGRAMS[tool]) for tool in tools(names)}
    return next((name for name in sorted(wanted) if not shutil.which(name)), None)


def versions(names, recolte_binary):
    """The version of each tool that takes part, by its name."""
    told = {"recolte": said(recolte_binary)}
    return told | {tool: said(program(PROGRAMS[tool])) for tool in tools(names)}


def tools(names):
    return [tool for tool in PROGRAMS if any(name.split("-")[0] == tool for name in names)]


def said(binary):
    """The version that a program tells, without its own name."""
    answer = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    return answer.splitlines()[0].split()[-1].rstrip("]")
