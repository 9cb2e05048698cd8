#!/usr/bin/env bash
# layer.sh: makes the files that a lab's profile has in place of the machine's or above them, from Debian's packages.
#
#   layer.sh NAME FOLDER
#
# french: a locale and translations. old: the whole userland of Debian 11. Nothing is installed on the machine.
# Downloads are kept only until they are unpacked. The folder appears when it is whole.
set -euo pipefail

french_packages=(locales libc-l10n coreutils bash sudo login util-linux-locales libpam-runtime)
old_packages=(openssh-server openssh-sftp-server sudo login passwd mount util-linux bsdutils coreutils bash dash
    sed grep gawk findutils procps hostname diffutils tar gzip iproute2 libpam-runtime libpam-modules base-files
    ncurses-base)

download() { # SUITE PACKAGE... ; into $work/apt, with their dependencies if the suite is another one
    local suite=$1 apt mirror keys=/usr/share/keyrings/debian-archive-keyring.gpg
    shift
    mkdir -p "$work"/apt/{lists/partial,archives/partial}
    apt=(apt-get -qq -y -o Dir::Cache::archives="$work/apt/archives" -o APT::Sandbox::User=root)
    "${apt[@]}" update
    if [[ $suite = this ]]; then
        (cd "$work/apt/archives" && "${apt[@]}" download "$@")
        return
    fi
    # From where the machine has its own packages.
    # shellcheck disable=SC2016 # apt-get fills it in
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' |
        grep -v security | head -n 1) || true
    [[ $mirror ]] || { echo "layer.sh: this machine's apt-get has no package source of Debian" >&2; exit 1; }
    : >"$work/apt/status"
    apt+=(-o Dir::Etc::sourcelist="$work/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o Dir::State::lists="$work/apt/lists" -o Dir::State::status="$work/apt/status"
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Install-Recommends=false
        -o Acquire::Check-Valid-Until=false)
    # An old release moves to the archive one day.
    for mirror in "$mirror" http://archive.debian.org/debian; do
        echo "deb [signed-by=$keys] $mirror $suite main" >"$work/apt/sources.list"
        "${apt[@]}" update && "${apt[@]}" install --download-only "$@" && return
    done
    return 1
}

unpack() { # FOLDER
    local package
    for package in "$work"/apt/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$1" --keep-directory-symlink
    done
}

make_french() {
    download this "${french_packages[@]}"
    mkdir "$work/all"
    unpack "$work/all"
    mkdir -p "$work/root/usr/share/locale" "$work/root/usr/lib/locale"
    mv "$work/all/usr/share/locale/fr" "$work/root/usr/share/locale/"
    I18NPATH=$work/all/usr/share/i18n localedef -i fr_FR -f UTF-8 "$work/root/usr/lib/locale/fr_FR.utf8"
}

make_old() {
    local folder
    download bullseye "${old_packages[@]}"
    for folder in bin sbin lib lib64; do
        mkdir -p "$work/root/usr/$folder"
        ln -s "usr/$folder" "$work/root/$folder"
    done
    unpack "$work/root"
}

[[ $# -eq 2 && $1 =~ ^(french|old)$ ]] || { echo "usage: layer.sh french|old FOLDER" >&2; exit 2; }
mkdir -p -- "${2%/*}"
work=$(mktemp -d -- "$(readlink -f -- "${2%/*}")/.$1.XXXXXX")
trap 'rm -rf -- "$work"' EXIT
mkdir "$work/root"
"make_$1"
chmod 755 "$work/root"
rm -rf -- "$2"
mv -T -- "$work/root" "$2"
