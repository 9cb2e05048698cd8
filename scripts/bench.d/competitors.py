"""competitors: each tool does the same job in the best way that it offers, and writes FOLDER/.../JGE.tar.gz.

A competitor is a function (bench, folder) that returns the command to be timed. A preparation that must not be
timed is done by a second function, which is called before. Masters whose sockets are in FOLDER/masters, and those
that recolte keeps, are ended after the timed part, so that no round makes the next one faster. docs/bench/README.md
describes each competitor in words: change both together.
Limits: a competitor that fails on one host fails altogether; how the tools handle faulty hosts is not compared
here.
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
# The commands on the host, in one line: what follows the upload and precedes the collecting of the files.
ON_HOST = f"cp -P {STAGED} {REMOTE} && chmod 775 {REMOTE} && rm -f {STAGED} && sudo -n su - {ACCOUNT} -c {RUN_IT}"
# The same for the competitors tuned by hand; it also writes the files to stdout, as a tar.
ALL_ON_HOST = (
    f"cp -P /tmp/x {REMOTE} && chmod 775 {REMOTE} && sudo -n su - {ACCOUNT} -c {RUN_IT} </dev/null >&2; "
    f"cd /tmp && tar -cf - {GLOB[5:]}; rm -f /tmp/x"
)


class Competitor(NamedTuple):
    command: Callable
    before: Optional[Callable] = None
    # Whether it collects the files, so that they can be checked.
    brings: bool = True
    # Whether the command is recolte itself, whose own processor time and memory are then reported.
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
    """Runs `recolte check`, as a user would before a run: the masters that it keeps are then used by the run."""
    command = [bench.options.recolte, "check", job(bench, out, keep=True), "--quiet"]
    subprocess.run(command, env=environment(out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


def knows_keep(bench):
    """Checks whether this recolte knows the key `keep`: one that does not refuses the job."""
    with tempfile.TemporaryDirectory(dir=bench.work) as out:
        command = [bench.options.recolte, "hosts", job(bench, pathlib.Path(out), keep=True)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


# ---- plain OpenSSH -------------------------------------------------------------------------------------------------


def old(bench, out):
    """Runs the loop of the old script without the mail: five connections per host, one host after the other."""
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
    """Does the job with plain OpenSSH in the fastest way: one connection per host, one command line for all steps."""
    client = f"-F {config or bench.config} -o BatchMode=yes"
    each = (
        f"mkdir {out}/JGE/$1; ssh {client} $1 {quote(f'cat >/tmp/x && {ALL_ON_HOST}')} "
        f"<{bench.script} 2>{out}/$1.err | tar -x -C {out}/JGE/$1"
    )
    return shell(f"mkdir {out}/JGE; {bench.each(each)}; {pack(out)}")


def tuned_sftp(bench, out):
    """Does the job as `tuned`, but uploads by SFTP; sftp and ssh share one connection per host through a master."""
    client = f"-F {bench.config} -o BatchMode=yes -o ControlPath={out}/masters/%n"
    each = (
        f"mkdir {out}/JGE/$1; ssh {client} -MNf $1 && echo put {bench.script} /tmp/x | sftp -q -b - {client} $1 && "
        f"ssh {client} $1 {quote(ALL_ON_HOST)} </dev/null 2>{out}/$1.err | tar -x -C {out}/JGE/$1; "
        f"ssh {client} -O exit $1"
    )
    return shell(f"mkdir {out}/JGE {out}/masters; {bench.each(each)}; {pack(out)}")


def bare(bench, _out):
    """Only connects, without the job."""
    return shell(bench.each(f"ssh -F {bench.config} -o BatchMode=yes $1 true"))


# ---- pssh and clush ------------------------------------------------------------------------------------------------


def pssh(bench, out, config=None):
    """Does the job with one tool per step: parallel-scp, parallel-ssh, parallel-slurp."""
    (out / "hosts").write_text("".join(f"{host}\n" for host in bench.hosts))
    client = f"-F {config or bench.config} -o BatchMode=yes"
    common = f"-h {out}/hosts -p {bench.options.parallel} -x {quote(client)}"
    return shell(f"""set -e
        parallel-scp {common} {bench.script} {STAGED}
        parallel-ssh {common} {quote(ON_HOST)}
        parallel-slurp {common} -L {out}/JGE '{GLOB}' .
        {pack(out)}""")


def clush(bench, out, config=None):
    """Does the job with --copy, a command and --rcopy, which copies one path per host: the command fills a folder."""
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
    """Does the job by a playbook: pipelining, shared connections, strategy free, no facts, few tasks."""
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


# ---- connections that are shared, or opened before -----------------------------------------------------------------


def shared(bench, out):
    """Writes the lab's ssh_config with a master that the first connection to a host starts and later ones use."""
    masters = out / "masters"
    masters.mkdir()
    wanted = f"Host *\n    ControlMaster auto\n    ControlPath {masters}/%n\n    ControlPersist 60s\n"
    config = out / "ssh_config"
    config.write_text(wanted + bench.config.read_text())
    return config


def go_live(bench, out):
    """Starts the masters before the job."""
    config = shared(bench, out)
    subprocess.run(shell(bench.each(f"ssh -F {config} -o BatchMode=yes -MNf $1")), check=True)


def live(do, **more):
    """Returns a competitor whose masters are started before."""
    return Competitor(lambda bench, out: do(bench, out, config=out / "ssh_config"), before=go_live, **more)


def sharing(do):
    """Returns a competitor whose connections to a host share one master, which its first step starts."""
    return Competitor(lambda bench, out: do(bench, out, config=shared(bench, out)))


def end_masters(out):
    """Ends the masters that were started before, or that ControlPersist or recolte would keep."""
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
    """Returns the path at which scripts/setup installs the program, else its name, to be found in PATH."""
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
# The program that each tool needs beyond OpenSSH, which also prints its version.
PROGRAMS = {"pssh": "parallel-ssh", "clush": "clush", "ansible": "ansible-playbook"}


def choose(bench):
    """Returns the competitors of this measurement."""
    chosen = {name: COMPETITORS[name] for name in bench.options.names}
    if "recolte-keep" in chosen and not knows_keep(bench):
        print("bench: this recolte does not know the key keep, so recolte-keep is left out", file=sys.stderr)
        del chosen["recolte-keep"]
    for path in bench.options.also:
        chosen[os.path.basename(path)] = Competitor(partial(recolte, binary=path), ours=True)
    return chosen


def missing(names):
    """Returns the first program that these competitors need and that is not installed."""
    wanted = {program(PROGRAMS[tool]) for tool in tools(names)}
    return next((name for name in sorted(wanted) if not shutil.which(name)), None)


def versions(names, recolte_binary):
    """Returns the version of each tool that takes part, by its name."""
    told = {"recolte": said(recolte_binary)}
    return told | {tool: said(program(PROGRAMS[tool])) for tool in tools(names)}


def tools(names):
    return [tool for tool in PROGRAMS if any(name.split("-")[0] == tool for name in names)]


def said(binary):
    """Returns the version that a program prints, without the program's name."""
    answer = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    return answer.splitlines()[0].split()[-1].rstrip("]")
