import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import type { ServeOptions } from '../../../functions/boot/types.ts'
import { addOldName } from '../../../functions/cli/options/declare.ts'
import { nameList } from '../../../functions/cli/options/parsers.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { runCommand } from './run.ts'

const NAMES = ['--encoder', '--model', '-m']

describe('the encoder', () => {
  it.each(NAMES)('of serve is named by %s', async (flag) => {
    const asked: ServeOptions[] = []
    const boot = {
      ...createFakeBoot(),
      serve: async (options: ServeOptions = {}) => {
        asked.push(options)
        return { url: 'http://127.0.0.1:1', closed: Promise.resolve(0) }
      },
    }
    expect(await runCommand(['serve', flag, 'mine'], { boot })).toMatchObject({ code: 0 })
    expect(asked).toMatchObject([{ model: 'mine' }])
  })

  it.each(NAMES)('of embed is named by %s', async (flag) => {
    const boot = createFakeBoot()
    const argv = ['embed', '-', '--format', 'txt', '-q', flag, 'mine']
    expect(await runCommand(argv, { boot, stdin: 'a' })).toMatchObject({ code: 0 })
    expect(boot.opened).toMatchObject([{ model: 'mine' }])
  })

  it.each(['--encoder', '--base'])('of finetune is named by %s', async (flag) => {
    const argv = ['finetune', '-', '--format', 'csv', '--name', 'x', flag, 'nowhere']
    const run = await runCommand(argv, { boot: createFakeBoot(), stdin: 'text,label\na,b\nc,d\n' })
    expect(run.code).not.toBe(0)
    expect(run.stderr).toContain('nowhere: neither a built-in encoder')
  })

  it('is asked for once', async () => {
    const argv = ['embed', 'a.txt', '--model', 'a', '--encoder', 'b']
    expect(await runCommand(argv, { boot: createFakeBoot() })).toEqual({
      code: 2,
      stdout: '',
      stderr: 'espalier: pass --encoder or --model, not both\n',
    })
  })
})

it.each([
  ['serve', '-m, --encoder <name>', '--model'],
  ['embed', '-m, --encoder <name>', '--model'],
  ['finetune', '--encoder <name>', '--base'],
  ['train', '--layer <names>', '--layers'],
])('help of %s shows %s and not %s', async (verb, present, old) => {
  const { stdout } = await runCommand([verb, '--help'], { boot: createFakeBoot() })
  expect(stdout).toContain(`  ${present}`)
  expect(stdout).not.toContain(`${old} `)
})

describe('addOldName', () => {
  const parse = async (...argv: string[]) => {
    let seen = {}
    const command = new Command().exitOverride().configureOutput({ outputError: () => {} })
    command.option('--layer <names>', 'layers', nameList, ['last'])
    addOldName(command, '--layers <names>', 'layer').action((options) => {
      seen = options
    })
    await command.parseAsync(argv, { from: 'user' })
    return seen
  }

  it('reads the old name as the present one', async () => {
    expect(await parse('--layers', 'a,b')).toEqual({ layer: ['a', 'b'] })
    expect(await parse('--layer', 'a,b')).toEqual({ layer: ['a', 'b'] })
    expect(await parse()).toEqual({ layer: ['last'] })
  })

  it('checks its value alike', async () => {
    await expect(parse('--layers', ',')).rejects.toThrow("option '--layers <names>' argument ','")
  })
})
