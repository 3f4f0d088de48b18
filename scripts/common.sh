# Shared by scripts/test and scripts/try; read with `source`. Functions only; nothing happens on reading it.
#
# Both scripts do their work without root's rights. Started as root they install what is missing, make the user
# `dhow-test` once, and run as that user from a copy in /var/tmp, because cargo and the checkout may be in root's home.

set -euo pipefail
umask 022

TEST_USER=dhow-test
STAGE=

say() { printf '%s\n' "== $*" >&2; }
die() { printf '%s\n' "error: $*" >&2; exit 1; }
is_root() { [ "$(id -u)" = 0 ]; }

# need_packages WORD=PACKAGE…: WORD is a program, or a file if it begins with a slash. Installs the packages of missing
# ones as root; else says what to install and gives 1.
need_packages() {
    local pair word missing=()
    for pair in "$@"; do
        word=${pair%%=*}
        case $word in
            /*) [ -e "$word" ] || missing+=("${pair#*=}") ;;
            *) PATH=$PATH:/usr/sbin:/sbin command -v "$word" >/dev/null || missing+=("${pair#*=}") ;;
        esac
    done
    [ ${#missing[@]} = 0 ] && return 0
    if is_root && command -v apt-get >/dev/null; then
        say "installing: ${missing[*]}"
        # The lists of a fresh machine are empty, those of an old one name versions that are gone.
        apt-get -qq update >&2
        DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "${missing[@]}" >&2
    else
        say "not installed: ${missing[*]} (Debian: sudo apt install ${missing[*]})"
        return 1
    fi
}

# Some crates are partly in C. The linker's package has the C library's headers beside it in need_packages.
need_build() {
    command -v cargo >/dev/null || die "cargo is missing: install Rust 1.88 or newer"
    need_packages cc=gcc /usr/include/stdio.h=libc6-dev || die "a C compiler is needed to build"
}

# Adds a range of 65536 ids for user $1 to file $2 behind all ranges given out there, unless the user has one.
need_subids() {
    (
        flock 9
        if ! awk -F: -v u="$1" '$1 == u && $3 >= 65536 { found = 1 } END { exit !found }' "$2"; then
            say "adding ids for $1 to $2"
            awk -F: -v u="$1" 'BEGIN { free = 100000 } $2 + $3 > free { free = $2 + $3 }
                END { print u ":" free ":65536" }' "$2" >>"$2"
        fi
    ) 9>>"$2"
}

# As root: the user that tests and demonstration run as. Else: checks that the caller can do without one.
need_user() {
    if is_root; then
        if ! id "$TEST_USER" >/dev/null 2>&1; then
            say "making the user $TEST_USER"
            useradd --create-home --shell /bin/sh "$TEST_USER"
        fi
        need_subids "$TEST_USER" /etc/subuid
        need_subids "$TEST_USER" /etc/subgid
        # pasta needs the device; on a machine without udev it may be missing or for root alone.
        [ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; } 2>/dev/null || true
        if [ -e /dev/net/tun ] && ! as_user test -r /dev/net/tun -a -w /dev/net/tun; then
            say "opening /dev/net/tun to all users, as a desktop system has it"
            chmod 666 /dev/net/tun
        fi
    else
        local me file
        me=$(id -un)
        for file in /etc/subuid /etc/subgid; do
            grep -qE "^($me|$(id -u)):" "$file" 2>/dev/null ||
                die "no ids for $me in $file: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $me"
        done
    fi
    [ "$(cat /proc/sys/user/max_user_namespaces 2>/dev/null || echo 1)" != 0 ] ||
        die "user namespaces are switched off: sudo sysctl user.max_user_namespaces=60000"
}

# Runs a command as the test user; as the caller when that is not root.
as_user() {
    if is_root; then
        setpriv --reuid="$TEST_USER" --regid="$TEST_USER" --init-groups --inh-caps=-all -- "$@"
    else
        "$@"
    fi
}

# Makes the folder $STAGE, removed at the end of the script however it ends.
make_stage() {
    STAGE=$(mktemp -d /var/tmp/dhow-XXXXXX)
    trap remove_stage EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    mkdir "$STAGE/bin" "$STAGE/home" "$STAGE/tmp" "$STAGE/run"
    chmod 700 "$STAGE/run"
}

# Gives what is in $STAGE to the test user.
give_stage() {
    chmod 755 "$STAGE"
    ! is_root || chown -R "$TEST_USER:" "$STAGE"
}

# Ends what still runs from $STAGE (its path begins the command line), then removes it, files of sub-ids included.
remove_stage() {
    local status=$? file
    trap - EXIT
    cd /
    for file in /proc/[0-9]*/cmdline; do
        if grep -qsz "^$STAGE/" "$file"; then
            file=${file%/cmdline}
            kill -KILL "${file#/proc/}" 2>/dev/null || true
        fi
    done
    rm -rf --one-file-system "$STAGE" 2>/dev/null ||
        "$STAGE/bin/dhow" __remove-tree "$STAGE" >/dev/null 2>&1 && [ ! -e "$STAGE" ] ||
        unshare --map-root-user --map-auto rm -rf --one-file-system "$STAGE" ||
        say "could not remove $STAGE"
    exit "$status"
}

# Copies the source tree to $STAGE/src: what git knows or would add, else everything but build results.
copy_sources() {
    mkdir "$STAGE/src"
    if command -v git >/dev/null && git -c safe.directory='*' rev-parse --git-dir >/dev/null 2>&1; then
        git -c safe.directory='*' ls-files -z --cached --others --exclude-standard |
            while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
            tar -c --null --verbatim-files-from -T - | tar -x -C "$STAGE/src"
    else
        tar -c --exclude=./target --exclude=./.git . | tar -x -C "$STAGE/src"
    fi
}

# The release binary's path; builds it, static, so that it runs on any distribution of the same machine type.
build_release() {
    local host
    host=$(rustc -vV | sed -n 's/^host: //p')
    RUSTFLAGS="${RUSTFLAGS-} -C target-feature=+crt-static -C relocation-model=static" \
        cargo build --release --locked --target "$host" >&2
    printf '%s\n' "${CARGO_TARGET_DIR:-target}/$host/release/dhow"
}
