import type { Surface } from '../../../shared/lib/wording.ts'

/** How the command line names things: `--name`, `"espalier promote intent@v7 --alias champion"`. */
export const COMMAND_LINE: Surface = {
  option: ({ name, value }) => (value === undefined ? `--${name}` : `--${name} ${value}`),
  task: ({ name, target, options = {} }) => {
    const given = Object.entries(options).map(([option, value]) =>
      value === true ? `--${option}` : `--${option} ${value}`,
    )
    return `"${['espalier', name, ...(target === undefined ? [] : [target]), ...given].join(' ')}"`
  },
}
