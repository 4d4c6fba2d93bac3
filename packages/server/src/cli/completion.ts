import { usage, type Tool } from './tool.ts';

/** A command as completion knows it: its words and its flags. */
export type Known = {
  readonly words: readonly string[];
  readonly summary: string;
  readonly flags: readonly string[];
};

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** The words that may follow each beginning: `''` the first ones, `endpoints` the second ones. */
const branches = (known: readonly Known[]): ReadonlyMap<string, readonly string[]> => {
  const found = new Map<string, Set<string>>();
  for (const { words } of known) {
    words.forEach((word, index) => {
      const before = words.slice(0, index).join(' ');
      found.set(before, (found.get(before) ?? new Set()).add(word));
    });
  }
  return new Map([...found].map(([before, next]) => [before, [...next].sort()]));
};

const bash = (known: readonly Known[]): string => {
  const cases = [
    ...[...branches(known)].map(([before, next]) => [before, next.join(' ')] as const),
    ...known.map(({ words, flags }) => [words.join(' '), flags.join(' ')] as const),
  ];
  const merged = new Map<string, string>();
  for (const [before, next] of cases) merged.set(before, `${merged.get(before) ?? ''} ${next}`.trim());
  const lines = [...merged].map(([before, next]) => `    ${quoted(before)}) next=${quoted(next)} ;;`);
  return `# posthorn completion for bash: eval "$(posthorn completion bash)"
_posthorn() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words='' next='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) break ;; esac
    local longer="\${words:+$words }$word"
    _posthorn_next "$longer" && words="$longer" || break
  done
  _posthorn_next "$words"
  COMPREPLY=($(compgen -W "$next" -- "$current"))
}
_posthorn_next() {
  case "$1" in
${lines.join('\n')}
    *) return 1 ;;
  esac
}
complete -o default -F _posthorn posthorn
`;
};

const zsh = (known: readonly Known[]): string =>
  `#compdef posthorn
# posthorn completion for zsh: eval "$(posthorn completion zsh)"
autoload -U +X bashcompinit && bashcompinit
${bash(known)}`;

const fish = (known: readonly Known[]): string => {
  const lines = [
    '# posthorn completion for fish: posthorn completion fish | source',
    'complete -c posthorn -f',
  ];
  for (const { words, summary, flags } of known) {
    const [first = '', second] = words;
    const says = `-d ${quoted(summary)}`;
    const seen = (word: string): string => `__fish_seen_subcommand_from ${word}`;
    if (second === undefined) lines.push(`complete -c posthorn -n __fish_use_subcommand -a ${first} ${says}`);
    else
      lines.push(
        `complete -c posthorn -n __fish_use_subcommand -a ${first}`,
        `complete -c posthorn -n '${seen(first)}' -a ${second} ${says}`,
      );
    const condition = second === undefined ? seen(first) : `${seen(first)}; and ${seen(second)}`;
    for (const flag of flags) lines.push(`complete -c posthorn -n '${condition}' -l ${flag.slice(2)}`);
  }
  return `${[...new Set(lines)].join('\n')}\n`;
};

/** A script that a shell evaluates. */
export const completionScript = (shell: (typeof SHELLS)[number], known: readonly Known[]): string => {
  switch (shell) {
    case 'bash':
      return bash(known);
    case 'zsh':
      return zsh(known);
    case 'fish':
      return fish(known);
    default:
      return shell satisfies never;
  }
};

/** @param known Asked when it runs: the command is one of those itself. */
export const completionTool = (known: () => readonly Known[]): Tool => ({
  usage: 'completion <shell>',
  summary: 'Print a completion script: bash, zsh or fish.',
  options: [],
  run: async ({ args, print }) => {
    const shell = SHELLS.find((one) => one === args[0]);
    if (shell === undefined)
      throw usage(`There is completion for ${SHELLS.join(', ')}; "${args[0] ?? ''}" is none of them.`);
    const script = completionScript(shell, known());
    print.result({ shell, script }, script.trimEnd());
    return 0;
  },
});
