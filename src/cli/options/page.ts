/** docs/options.md, from the table: `npm run options-page` writes it, and a test holds it equal. */
import { yesOrNo } from './kinds.js'
import { GROUPS, NAMES, rowOf, variableOf } from './table.js'

const INTRODUCTION = `# Options of a node

<!-- Written by "npm run options-page" from src/cli/options/table.ts. -->

Every option has one dotted name, and most a shorter one for the command line. It can be given

- as a flag: \`--l1.rpc https://l1.example/\`. One that repeats is given several times; one that is true or false needs no value (\`--stdio\`, \`--stdio=false\`);
- as a variable: \`PRECONF_\` and its name in capitals, with underscores for dots and dashes. One that repeats has commas between its values;
- in the file of \`--config\`, YAML or JSON, at most 1 MiB, with nested or dotted names. \`keyFile\` is \`key-file\` too. One that repeats is a list.

\`\`\`yaml
preset: taiko
dataDir: /var/lib/preconf
p2p:    { listen: /ip4/0.0.0.0/tcp/9000, static: [/dns4/a.example/tcp/9000/p2p/12D3KooW…] }
l1:     { rpc: [https://one.example, https://two.example], inbox: "0x…" }
http:   { port: 9300, metrics: true }
\`\`\`

A flag wins over a variable, that over the file, that over the preset, that over the default. A list is taken whole from the strongest of them. Paths are relative to
the working directory. A name that does not exist and an empty value are errors, in the file and among the variables too. \`--print-config\` shows what every
option is and where it comes from, in the form of such a file; values that may hold a password are not shown.

Presets are files of the same form, in \`ops/presets/\`: \`taiko\` (chain id, and when slot 0 of L1 began), \`hoodi\` (when slot 0 began: the chain's id has to be given) and \`devnet\` (loopback,
any free port, in memory). They name no inbox and no bootnodes. A preset may be a file of your own.

\`--instance N\` adds ten times N to every port but 0, and takes another default data folder. The default folder is \`preconfirmation-p2p/<chain id>\`, with \`-N\` for an instance, in
\`$XDG_DATA_HOME\` or \`~/.local/share\`; on macOS in \`~/Library/Application Support\`, on Windows in \`%LOCALAPPDATA%\`.

\`preconfirmation-p2p completion bash|zsh|fish\` writes a script for the shell, such as \`source <(preconfirmation-p2p completion bash)\`.
`

/** The whole page. */
export function optionsPage(): string {
  const groups = Object.entries(GROUPS).map(([group, title]) => {
    const rows = NAMES.filter(name => rowOf(name).group === group).map(name => {
      const { kind, alias, help, default: byDefault, otherwise, repeats, from } = rowOf(name)
      const short = alias === undefined ? '' : `, \`--${alias}\``
      const no = kind === yesOrNo && byDefault === 'true' ? `, \`--no-${alias ?? name}\`` : ''
      const value = kind.choices !== undefined && kind !== yesOrNo ? kind.choices.map(choice => `\`${choice}\``).join(', ') : kind.what
      const where = from === 'flag' ? '' : `\`${variableOf(name)}\``
      return `| \`--${name}\`${short}${no} | ${escaped(help)} | ${escaped(value)}${repeats === true ? ', repeatable' : ''} | ${byDefault === undefined ? escaped(otherwise ?? '') : `\`${byDefault}\``} | ${where} |`
    })
    return `## ${title}\n\n| option | what | value | default | variable |\n|---|---|---|---|---|\n${rows.join('\n')}\n`
  })
  return [INTRODUCTION, ...groups].join('\n')
}

const escaped = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
