import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { describeMethod, METHODS } from '../../../shared/training/catalogue/methods.ts'

describe('the methods', () => {
  it('stand in docs/training.md as the table describes them, and no others', () => {
    const page = readFileSync(new URL('../../../docs/training.md', import.meta.url), 'utf8')
    const [, list = ''] = page.split('| `--method` | what it fits |')
    const rows = [...(list.split('\n\n')[0] ?? '').matchAll(/^\| `(\w+)`[^|]*\| (.+) \|$/gm)]
    const [auto, ...fitted] = METHODS
    expect(rows.map(([, name, fits]) => [name, fits])).toEqual(
      [...fitted, auto!].map((name) => [name, describeMethod(name)]),
    )
  })
})
