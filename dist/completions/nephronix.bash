# bash completion for nephronix(1)

# The names of watches: those that are there without a section, and those that the configuration adds.
_nephronix_watches() {
  local file=$1 folder
  folder=$(dirname -- "$file")
  echo connections processes users modules bpf kernel-messages boot packages self
  sed -n 's/^[[:space:]]*\[Watch[[:space:]]*"\([a-z0-9-]*\)"\].*/\1/p' "$file" "$folder"/conf.d/*.conf 2>/dev/null
}

_nephronix() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local file=/etc/nephronix/nephronix.conf verb='' words='' i

  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --config)
        i=$((i + 1))
        file=${COMP_WORDS[i]}
        ;;
      -*) ;;
      *)
        verb=${COMP_WORDS[i]}
        break
        ;;
    esac
  done

  case $previous in
    --config | --allowed-signers | --key | -k)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    --watch | -w) words=$(_nephronix_watches "$file") ;;
    --severity) words='info low medium high critical' ;;
    --since | -s) words='today yesterday -1h -1d' ;;
    --round | --lines | -n | --head) return ;;
    *)
      case $verb in
        '') words='status events inventory diff verify seal check-config --config --help --version' ;;
        status) words='--json --help' ;;
        events) words='--follow --since --watch --severity --round --lines --json --help' ;;
        inventory | diff) words="--json --help $(_nephronix_watches "$file")" ;;
        verify) words='--since --head --allowed-signers --json --help' ;;
        seal) words='--key --print --help' ;;
        check-config) words='--print --json --help' ;;
      esac
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _nephronix nephronix
