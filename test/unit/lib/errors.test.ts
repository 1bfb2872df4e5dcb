import { describe, expect, it } from 'vitest'
import { COMMAND_LINE } from '../../../functions/cli/output/report-error.ts'
import { EspalierError, printError, restate } from '../../../shared/lib/errors.ts'
import { hint, option, PLAIN, print, type Surface, say, task } from '../../../shared/lib/wording.ts'

const HTTP_LIKE: Surface = {
  option: ({ name }) => `"${name}"`,
  task: ({ name }) => (name === 'models' ? 'GET /list' : null),
}

describe('a wording', () => {
  it('is printed as each surface names its holes', () => {
    const wording = say`give the classifier another ${option('name')}, of at most ${63} characters`
    expect(print(wording, COMMAND_LINE)).toBe(
      'give the classifier another --name, of at most 63 characters',
    )
    expect(print(wording, HTTP_LIKE)).toContain('another "name",')
    expect(print(wording)).toContain('another name,')
  })

  it('prints an option with the value that was given', () => {
    const wording = say`${option('layers', 3)}: the network has 2`
    expect(print(wording, COMMAND_LINE)).toBe('--layers 3: the network has 2')
    expect(print(wording, PLAIN)).toBe('layers 3: the network has 2')
  })

  it('prints a task with its target and parameters', () => {
    const wording = say`run ${task('promote', 'a@v7', { alias: 'champion', force: true })}`
    expect(print(wording, COMMAND_LINE)).toBe(
      'run "espalier promote a@v7 --alias champion --force"',
    )
    expect(print(wording, PLAIN)).toBe('run promote a@v7')
  })

  it('gives a hint only where all of its tasks can be asked for', () => {
    const wording = say`no such model${hint(say`; ${task('models')} lists them`)}`
    expect(print(wording, COMMAND_LINE)).toBe('no such model; "espalier models" lists them')
    expect(print(wording, HTTP_LIKE)).toBe('no such model; GET /list lists them')
    expect(print(wording)).toBe('no such model')
    const both = say`${hint(say`${task('models')}, ${task('train')}`, say`look for ${option('name')}`)}`
    expect(print(both, HTTP_LIKE)).toBe('look for "name"')
  })

  it('takes wordings into wordings and survives JSON', () => {
    const inner = say`pass ${option('format')}`
    const wording = say`what is it? ${inner}, ${'or'} leave it`
    expect(print(JSON.parse(JSON.stringify(wording)), COMMAND_LINE)).toBe(
      'what is it? pass --format, or leave it',
    )
  })
})

describe('an error', () => {
  it('says what its input does, and names it', () => {
    const error = new EspalierError('empty_input', 'is an empty string', { index: 3 })
    expect(error).toMatchObject({ message: 'inputs[3] is an empty string', param: 'inputs[3]' })
  })

  it('opens with the place that it is about', () => {
    const at = (place: object) =>
      new EspalierError('invalid_data', 'no label', { place: { source: 'a.csv', ...place } })
        .message
    expect(at({})).toBe('a.csv: no label')
    expect(at({ line: 7 })).toBe('a.csv line 7: no label')
    expect(at({ part: 'cats/1.png' })).toBe('a.csv cats/1.png: no label')
  })

  it('is restated by whoever knows more, and keeps the rest', () => {
    const options = { index: 3, retryAfterSeconds: 2 }
    const error = new EspalierError(
      'input_too_long',
      say`has 600 tokens; ${option('format')}`,
      options,
    )
    const named = restate(error, { param: 'texts[3]' })
    expect(named).toMatchObject({
      code: 'input_too_long',
      message: 'texts[3] has 600 tokens; format',
      param: 'texts[3]',
      index: 3,
      retryAfterSeconds: 2,
      cause: error,
    })
    const placed = restate(named, { place: { source: 'a.csv', line: 5 } })
    expect(placed.message).toBe('a.csv line 5 has 600 tokens; format')
    expect(printError(placed, COMMAND_LINE)).toBe('a.csv line 5 has 600 tokens; --format')
  })
})
