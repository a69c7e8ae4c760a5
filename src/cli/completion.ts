import { Argument } from 'commander'
import type { Command, Option } from 'commander'

const SHELLS = ['bash', 'zsh', 'fish'] as const
type Shell = typeof SHELLS[number]

/** `completion`: a script that makes a shell complete commands, options and those of their values that are few. */
export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('Writes a script that makes a shell complete commands and options.')
    .addArgument(new Argument('<shell>', 'for which').choices(SHELLS))
    .addHelpText('after', '\nFor this session: source <(preconfirmation-p2p completion bash)')
    .action((shell: Shell) => { process.stdout.write(completionOf(program, shell)) })
}

interface Flag { readonly flag: string; readonly about: string; readonly takes: 'nothing' | 'anything' | readonly string[] }
interface Completed { readonly path: readonly string[]; readonly commands: readonly string[]; readonly flags: readonly Flag[] }

/** The program as it is: nothing is listed here again. */
export function completionOf(program: Command, shell: Shell): string {
  return WRITERS[shell](program.name(), walk(program, []))
}

function walk(command: Command, path: readonly string[]): readonly Completed[] {
  const flags = command.options.map(option => ({ flag: option.long!, about: option.description.split(/[:;(]/)[0]!.trim(), takes: takes(option) }))
  const help = { flag: '--help', about: 'display help', takes: 'nothing' as const }
  return [{ path, commands: command.commands.map(each => each.name()), flags: [...flags, help] }, ...command.commands.flatMap(each => walk(each, [...path, each.name()]))]
}

function takes({ argChoices, required, optional }: Option): Flag['takes'] {
  // the value of a switch may be left out: the next word is none
  if (optional || !required) return 'nothing'
  return argChoices ?? 'anything'
}

const quoted = (text: string): string => `'${text.replaceAll('\'', '\'\\\'\'')}'`

function bash(name: string, all: readonly Completed[]): string {
  const variable = `_${name.replaceAll('-', '_')}`
  const values = new Map(all.flatMap(({ flags }) => flags).flatMap(({ flag, takes: choices }) => typeof choices === 'string' ? [] : [[flag, choices] as const]))
  const files = new Set(all.flatMap(({ flags }) => flags).filter(({ takes: what }) => what === 'anything').map(({ flag }) => flag))
  return `${variable}() {
  local word path=''
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  case $before in
${[...values].map(([flag, choices]) => `    ${flag}) COMPREPLY=($(compgen -W ${quoted(choices.join(' '))} -- "$current")); return ;;`).join('\n')}
    ${[...files].join('|')}) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
${all.filter(({ path }) => path.length > 0).map(({ path }) => `      ${quoted(` ${path.join(' ')}`)}) path=${quoted(` ${path.join(' ')}`)} ;;`).join('\n')}
    esac
  done
  case $path in
${all.map(({ path, commands, flags }) => `    ${quoted(path.map(each => ` ${each}`).join(''))}) COMPREPLY=($(compgen -W ${quoted([...commands, ...flags.map(({ flag }) => flag)].join(' '))} -- "$current")) ;;`).join('\n')}
  esac
}
complete -o default -F ${variable} ${name}
`
}

/** zsh takes bash's completions. */
const zsh = (name: string, all: readonly Completed[]): string => `#compdef ${name}\nautoload -U +X bashcompinit && bashcompinit\n${bash(name, all)}`

function fish(name: string, all: readonly Completed[]): string {
  const lines = all.flatMap(({ path, commands, flags }) => {
    const when = path.length === 0 ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${path.at(-1)!}`
    return [
      ...commands.map(command => `complete -c ${name} -f -n ${quoted(when)} -a ${quoted(command)}`),
      ...flags.map(({ flag, about, takes: what }) => {
        const value = what === 'nothing' ? '' : what === 'anything' ? ' -r' : ` -x -a ${quoted(what.join(' '))}`
        return `complete -c ${name} -n ${quoted(when)} -l ${flag.slice(2)}${value} -d ${quoted(about)}`
      }),
    ]
  })
  return `${lines.join('\n')}\n`
}

const WRITERS = { bash, zsh, fish }
