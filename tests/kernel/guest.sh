# shellcheck shell=bash
# What is set here is for those who read this.
# shellcheck disable=SC2034
# guest.sh - virtual machines with stock Debian kernels: what tests/kernel/run and its like share. Nothing of the host is changed;
# what is fetched stays in $cache for the next time.
#
# A guest is a kernel (fetched through an apt root of our own, for it may be of another suite than the host's), an initramfs
# (busybox and the kernel's modules), a disk that is a small Debian of the host's suite (mmdebstrap: our programs are built against
# the host's libraries) and is never written to for good, and a disk with what is tested. It is emulated: stock kernels are to
# boot where there is no KVM too. A guest of another architecture has a Debian of its own, unpacked and not configured, for nothing
# here runs its scripts; our programs are cross-built against it.
#
# The functions return 2 with $reason set where this host cannot do it, which is no failure.

: "${source_root:?the folder of the sources}"
: "${work:?a scratch folder}"
cache=${NEPHRONIX_KERNELS:-${XDG_CACHE_HOME:-/var/cache}/nephronix-kernels}
mirror=${NEPHRONIX_DEBIAN_MIRROR:-http://deb.debian.org/debian}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
reason=
emulating=              # the process of the emulator
# The guest's architecture: of the kernel, of Debian, of qemu. $foreign is its Debian if it is not the host's.
architecture=amd64
foreign=

# Suites by kernel. What sid has is not known before.
declare -A suites=([5.10]=bullseye [6.1]=bookworm [6.12]=trixie [newest]=sid [arm64]=bookworm)

# Modules that the initramfs needs to find the disks.
boot_modules=(virtio_pci virtio_blk ext4)
# Modules that our daemon or our tests ask for, each with what it depends on. What a kernel lacks is left out.
guest_modules=(inet_diag tcp_diag udp_diag raw_diag unix_diag netlink_diag af_packet_diag vfat nls_cp437 nls_ascii nls_iso8859-1
  nls_utf8 loop dummy veth tun overlay xfs btrfs squashfs fuse 9p 9pnet_virtio virtio_console virtio_net af_packet
  nf_conntrack nf_conntrack_netlink nf_tables autofs4 binfmt_misc configfs efi_pstore ip_tables x_tables)

# What the tests run in the guest, beside a minimal Debian and the libraries of our programs.
guest_packages=(systemd systemd-sysv udev dbus libpam-systemd kmod procps iproute2 iputils-ping openssh-server openssh-client
  python3 jq strace gawk bsdextrautils dosfstools e2fsprogs btrfs-progs util-linux bpftool rpm gzip less)
# Of another architecture, where nothing is configured: no services, and what building needs.
foreign_packages=('?essential' kmod procps iproute2 iputils-ping python3 jq strace gawk bsdextrautils dosfstools e2fsprogs btrfs-progs
  mount bpftool less busybox-static
  libc6-dev linux-libc-dev libmnl-dev liblmdb-dev libsodium-dev libmd-dev zlib1g-dev libjansson-dev libbpf-dev)

need_programs() {
  local program
  for program in "$@"; do
    if ! command -v "$program" >/dev/null; then
      reason="there is no $program here"
      return 2
    fi
  done
}

# need_packages PACKAGE...: has those installed that are not.
need_packages() {
  local package missing=()
  need_programs apt-get dpkg-query || return
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  printf '# installing %s\n' "${missing[*]}"
  if ! DEBIAN_FRONTEND=noninteractive quietly apt-get -q -y -o DPkg::Lock::Timeout=500 install --no-install-recommends "${missing[@]}"; then
    reason="${missing[*]} cannot be installed"
    return 2
  fi
}

# The host's suite, whose libraries our programs are built against.
host_suite() {
  suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  if ! grep -q '^ID=debian' /etc/os-release || [[ -z $suite ]]; then
    reason='the host is no Debian, whose libraries the guest has to share'
    return 2
  fi
}

# quietly COMMAND...: what it said is shown only if it failed.
quietly() {
  local status=0
  "$@" >"$work/said" 2>&1 </dev/null || status=$?
  ((status == 0)) || sed 's/^/#   /' "$work/said" | tail -n 20 >&2
  return "$status"
}

# --- kernels ---------------------------------------------------------------------------------------------------------

# scratch_apt SUITE COMMAND...: apt with lists and settings of its own below $work.
scratch_apt() {
  local suite=$1 root=$work/apt-$1-$architecture
  shift
  if [[ ! -d $root ]]; then
    mkdir -p "$root"/{etc/apt.conf.d,etc/preferences.d,etc/sources.list.d,state/lists/partial,cache/archives/partial}
    : >"$root/state/status"
    printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite" >"$root/etc/sources.list"
  fi
  local options=(-q -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" -o Dir::Etc="$root/etc"
    -o Dir::State="$root/state" -o Dir::State::status="$root/state/status" -o Dir::Cache="$root/cache"
    -o APT::Sandbox::User=root -o Acquire::Languages=none
    -o APT::Update::Error-Mode=any -o Acquire::Check-Valid-Until=false -o Acquire::Retries=2)
  case $1 in
    apt-get | apt-cache) "$1" "${options[@]}" "${@:2}" ;;
  esac
}

# The packages that hold the newest kernel of a suite: one image, or since 2026 a package of the kernel and one of its modules.
kernel_packages() {
  scratch_apt "$1" apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
    --no-enhances "linux-image-$architecture" |
    grep -E '^linux-(image|binary|modules)-[0-9]' | sort -u
}

# trim_modules FROM TO VERSION: copies the modules named above and what they depend on, unpacked (busybox reads no .xz).
trim_modules() {
  local from=$1 to=$2 version=$3 module file target
  mkdir -p "$to/lib/modules/$version"
  depmod -b "$from" "$version" || return
  for module in "${boot_modules[@]}" "${guest_modules[@]}"; do
    modprobe -d "$from" -S "$version" --show-depends "$module" 2>/dev/null || true
  done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r file; do
    target=$to/${file#"$from/"}
    mkdir -p "$(dirname "$target")"
    case $file in
      *.xz) xz -dc "$file" >"${target%.xz}" ;;
      *.zst) zstd -dc "$file" >"${target%.zst}" ;;
      *) cp "$file" "$target" ;;
    esac || return
  done || return
  cp "$from/lib/modules/$version"/modules.{builtin,order}* "$to/lib/modules/$version/" 2>/dev/null || true
  depmod -b "$to" "$version" || return
  # In the order in which they are to be loaded.
  for module in "${boot_modules[@]}"; do
    modprobe -d "$to" -S "$version" --show-depends "$module" | sed -n "s|^insmod $to||p"
  done | awk '!seen[$1]++ { print $1 }' >"$to/boot-modules"
}

# fetch_kernel KERNEL: makes $cache/KERNEL with vmlinuz, tree/ (modules), version. Sets $kernel.
fetch_kernel() {
  local name=$1 suite=${suites[$1]} packages version image
  kernel=$cache/$name
  [[ ! -s $kernel/version ]] || return 0
  need_programs apt-get dpkg-deb depmod modprobe xz || return
  if [[ ! -e $keyring ]]; then
    reason="there is no $keyring here"
    return 2
  fi
  rm -rf "$work/kernel"
  mkdir -p "$work/kernel/deb" "$work/kernel/full" "$work/kernel/new/tree"
  if ! quietly scratch_apt "$suite" apt-get update; then
    reason="the package lists of $suite cannot be fetched from $mirror"
    return 2
  fi
  packages=$(kernel_packages "$suite")
  if [[ -z $packages ]]; then
    reason="$suite has no linux-image-$architecture"
    return 2
  fi
  # shellcheck disable=SC2086 # they are words
  if ! (cd "$work/kernel/deb" && quietly scratch_apt "$suite" apt-get download $packages); then
    reason="the kernel of $suite cannot be fetched from $mirror"
    return 2
  fi
  for image in "$work/kernel/deb"/*.deb; do
    quietly dpkg-deb -x "$image" "$work/kernel/full" || return 1
  done
  # Newer packages take /lib for a link to usr/lib; modprobe looks below /lib.
  if [[ -d $work/kernel/full/usr/lib/modules ]]; then
    mkdir -p "$work/kernel/full/lib/modules"
    cp -al "$work/kernel/full/usr/lib/modules/." "$work/kernel/full/lib/modules/"
  fi
  version=$(find "$work/kernel/full/lib/modules" -mindepth 1 -maxdepth 1 -printf '%f\n')
  image=$(find "$work/kernel/full" -type f -name 'vmlinu[xz]*' | head -n 1)
  if [[ -z $version || $version == *$'\n'* || -z $image ]]; then
    printf '#   a kernel package that is not understood: %s\n' "$packages" >&2
    return 1
  fi
  quietly trim_modules "$work/kernel/full" "$work/kernel/new/tree" "$version" || return 1
  cp "$image" "$work/kernel/new/vmlinuz"
  printf '%s\n' "$version" >"$work/kernel/new/version"
  mkdir -p "$cache"
  rm -rf "$kernel"
  mv "$work/kernel/new" "$kernel"
  rm -rf "$work/kernel"
}

# --- the Debian in the guest -----------------------------------------------------------------------------------------

# The packages of the libraries that our programs below a tree need, as the host has them.
library_packages() {
  find "$1" -type f -perm -100 -exec ldd {} + 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    while read -r library; do
      dpkg-query -S "*/$(basename "$(readlink -f "$library")")" 2>/dev/null | sed -n '1s/[:,].*//p'
    done | sort -u
}

# make_disk TREE: makes the guest's first disk, with what our programs below TREE need. Sets $disk.
make_disk() {
  local tree=$1 suite packages key
  need_programs mke2fs || return
  if [[ -n $foreign ]]; then
    disk=$foreign.ext4
    [[ ! -s $disk ]] || return 0
    quietly mke2fs -q -t ext4 -L guest -d "$foreign" -E lazy_itable_init=1 "$work/disk" 1500M || return 1
    mv "$work/disk" "$disk"
    return
  fi
  need_programs mmdebstrap dpkg-query || return
  host_suite || return
  mapfile -t packages < <({
    printf '%s\n' "${guest_packages[@]}"
    library_packages "$tree"
  } | sort -u)
  key=$(printf '%s\n' 1 "$suite" "$architecture" "${packages[@]}" | sha256sum | cut -c 1-16)
  disk=$cache/disk-$key.ext4
  [[ ! -s $disk ]] || return 0
  rm -rf "$work/debian"
  if ! quietly mmdebstrap --variant=minbase --architectures="$architecture" --keyring="$keyring" \
    --include="$(IFS=, && echo "${packages[*]}")" --aptopt='Acquire::Retries "2"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' "$suite" "$work/debian" "$mirror"; then
    reason="a Debian $suite cannot be made (mmdebstrap)"
    return 2
  fi
  rm -rf "$work/debian"/var/{cache/apt,lib/apt/lists}
  echo nephronix-guest >"$work/debian/etc/hostname"
  printf '127.0.0.1 localhost nephronix-guest\n::1 localhost\n' >"$work/debian/etc/hosts"
  mkdir -p "$work/debian/nephronix"
  mkdir -p "$cache"
  quietly mke2fs -q -t ext4 -L guest -d "$work/debian" -E lazy_itable_init=1 "$work/disk" 1500M || return 1
  rm -rf "$work/debian" "$cache"/disk-*.ext4
  mv "$work/disk" "$disk"
}

# make_tree: sets $tree, where the installer has put our programs as it would on the guest: $NEPHRONIX_DESTDIR if that is set.
make_tree() {
  if [[ -n $foreign ]]; then
    cross_build
    return
  fi
  tree=${NEPHRONIX_DESTDIR:-}
  [[ -z $tree ]] || return 0
  tree=$work/tree
  # A copy: the installer builds within the sources.
  mkdir "$work/source"
  (cd "$source_root" && tar -c --exclude=./.git --exclude='./build*' --exclude=./core .) | tar -x -C "$work/source" || return 1
  quietly bash "$work/source/installer" --destdir "$tree"
}

# --- another architecture --------------------------------------------------------------------------------------------

declare -A triplets=([arm64]=aarch64-linux-gnu)

# What the packages' own scripts would do, as far as a guest needs it: these cannot be run here.
finish_foreign() {
  local root=$1 package link
  for package in passwd group; do
    cp "$root/usr/share/base-passwd/$package.master" "$root/etc/$package" || return
  done
  [[ -e $root/usr/bin/sh ]] || ln -s dash "$root/usr/bin/sh"
  ln -sf gawk "$root/usr/bin/awk"
  # A linker follows them on the host.
  while read -r link; do
    ln -sfn --relative "$root$(readlink "$link")" "$link" || return
  done < <(find "$root/usr/lib" -type l -lname '/*')
  for package in "$2"/*.deb; do
    dpkg-deb -f "$package" | sed '1a Status: install ok installed' && echo || return
  done >"$root/var/lib/dpkg/status"
  echo nephronix-guest >"$root/etc/hostname"
  printf '127.0.0.1 localhost nephronix-guest\n::1 localhost\n' >"$root/etc/hosts"
  mkdir -p "$root/nephronix" "$root/boot" "$root/dev" "$root/proc" "$root/run" "$root/sys" "$root/tmp" "$root/root"
}

# make_foreign: sets $foreign, the guest's Debian, against which our programs are built too.
make_foreign() {
  local suite key root=$work/foreign debs=$work/foreign-debs package directory
  need_programs dpkg-deb sha256sum || return
  host_suite || return
  key=$(printf '%s\n' 1 "$suite" "$architecture" "${foreign_packages[@]}" | sha256sum | cut -c 1-16)
  foreign=$cache/debian-$architecture-$key
  [[ ! -d $foreign ]] || return 0
  if [[ ! -e $keyring ]]; then
    reason="there is no $keyring here"
    return 2
  fi
  if ! quietly scratch_apt "$suite" apt-get update ||
    ! quietly scratch_apt "$suite" apt-get install -y --download-only --no-install-recommends "${foreign_packages[@]}"; then
    reason="the packages of $suite for $architecture cannot be fetched from $mirror"
    return 2
  fi
  rm -rf "$root" "$debs"
  mv "$work/apt-$suite-$architecture/cache/archives" "$debs"
  mkdir -p "$work/apt-$suite-$architecture/cache/archives/partial"
  for directory in bin lib sbin; do
    mkdir -p "$root/usr/$directory"
    ln -s "usr/$directory" "$root/$directory"
  done
  for package in "$debs"/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink --exclude='./usr/share/doc/*' \
      --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' -C "$root" || return 1
  done
  finish_foreign "$root" "$debs" || return 1
  rm -rf "$debs" "$cache/debian-$architecture"-*
  mv "$root" "$foreign"
}

# cross_build: sets $tree, as the installer would make it.
cross_build() {
  local triplet=${triplets[$architecture]} build=$work/cross
  need_programs "$triplet-gcc" meson ninja pkg-config clang bpftool || return
  tree=$work/tree
  cat >"$work/cross.ini" <<TEXT
[binaries]
c = '$triplet-gcc'
ar = '$triplet-ar'
strip = '$triplet-strip'
pkgconfig = 'pkg-config'
[properties]
sys_root = '$foreign'
pkg_config_libdir = '$foreign/usr/lib/$triplet/pkgconfig:$foreign/usr/share/pkgconfig'
[built-in options]
c_args = ['--sysroot=$foreign']
c_link_args = ['--sysroot=$foreign']
[host_machine]
system = 'linux'
cpu_family = '${triplet%%-*}'
cpu = '${triplet%%-*}'
endian = 'little'
TEXT
  quietly meson setup --cross-file "$work/cross.ini" -Doptimization=2 -Ddebug=false -Dwerror=false -Dtests=disabled -Drpm=disabled \
    -Dbpf=enabled --prefix /usr/local --libexecdir libexec --sysconfdir /etc "$build" "$source_root" || return 1
  quietly ninja -C "$build" || return 1
  DESTDIR=$tree quietly meson install -C "$build" --no-rebuild || return 1
  install -D -m 0644 "$tree/usr/local/share/nephronix/nephronix.conf" "$tree/etc/nephronix/nephronix.conf"
}

# --- a boot ----------------------------------------------------------------------------------------------------------

# make_initramfs FILE: busybox, the modules of $kernel.
make_initramfs() {
  local root=$work/initramfs busybox
  need_programs cpio || return
  if [[ -n $foreign ]]; then
    busybox=$foreign/usr/bin/busybox
  else
    need_programs busybox || return
    busybox=$(command -v busybox)
  fi
  rm -rf "$root"
  mkdir -p "$root"/{bin,dev,proc,sys,root,lib}
  cp "$busybox" "$root/bin/busybox"
  cp -a "$kernel/tree/lib/modules" "$root/lib/"
  cp "$kernel/tree/boot-modules" "$root/"
  install -m 0755 "$source_root/tests/kernel/init" "$root/init"
  (cd "$root" && find . -print0 | sort -z | cpio --quiet -0 -o -H newc) >"$1"
}

# make_second_disk FILE TEST...: our programs, the tests, and which of them are to run.
make_second_disk() {
  local file=$1 root=$work/second
  shift
  rm -rf "$root"
  mkdir -p "$root/tests" "$root/tree"
  cp -a "$source_root/tests/system" "$source_root/tests/kernel" "$root/tests/"
  cp -a "$tree/." "$root/tree/"
  printf '%s\n' "$@" >"$root/names"
  [[ ! -s $work/program.o ]] || cp "$work/program.o" "$root/"
  quietly mke2fs -q -t ext4 -L tests -d "$root" "$file" 64M
}

# boot INIT FILE-OF-RESULTS SECONDS: runs the guest until it has powered itself off.
boot() {
  local init=$1 results=$2 limit=$3 emulator machine console
  case $architecture in
    amd64)
      emulator=qemu-system-x86_64 console=ttyS0
      machine=(-M pc -cpu max -serial "file:$work/console" -serial "file:$results")
      ;;
    arm64)
      emulator=qemu-system-aarch64 console=ttyAMA0
      # shellcheck disable=SC2054 # the commas are qemu's
      machine=(-M virt -cpu 'max,pauth-impdef=on' -serial "file:$work/console" -chardev "file,id=results,path=$results"
        -device pci-serial,chardev=results)
      ;;
  esac
  need_programs "$emulator" || return
  # -no-reboot and panic=-1: a guest that dies comes back here.
  # In the background, so that a signal to us ends it.
  timeout --kill-after=10 "$limit" "$emulator" "${machine[@]}" -accel tcg,thread=multi -smp 2 -m 1024 -nodefaults -no-user-config \
    -display none -no-reboot -kernel "$kernel/vmlinuz" -initrd "$work/initramfs.cpio" \
    -drive "file=$disk,format=raw,if=virtio,cache=unsafe,snapshot=on" \
    -drive "file=$work/second.ext4,format=raw,if=virtio,cache=unsafe,snapshot=on" \
    -append "console=$console panic=-1 nephronix.init=$init" </dev/null >"$work/emulator" 2>&1 &
  emulating=$!
  wait "$emulating"
}
