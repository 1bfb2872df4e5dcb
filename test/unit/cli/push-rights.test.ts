import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { encodeHead } from '../../../shared/head/encode.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import type { Registry } from '../../../shared/registry/types.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { type FakeS3, startFakeS3 } from '../../fakes/fake-s3.ts'
import { createTestHead, FAKE_FAMILY } from '../../fakes/heads.ts'
import { runCommand } from './run.ts'

interface Statement {
  readonly Action: readonly string[]
  readonly Resource: readonly string[]
}

const PAGE = new URL('../../../docs/registry.md', import.meta.url)
const BUCKET = 'arn:aws:s3:::production-models'
const ACTIONS: Readonly<Record<string, string>> = {
  GET: 's3:GetObject',
  HEAD: 's3:GetObject',
  PUT: 's3:PutObject',
  DELETE: 's3:DeleteObject',
}

let folder: string
let s3: FakeS3
let registry: Registry
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-push-'))
  s3 = await startFakeS3()
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
  registry = openRegistry(openMemoryStore())
  await registry.publish({
    name: 'ticket',
    kind: 'classifier',
    family: FAKE_FAMILY,
    metadata: {},
    files: [{ path: 'head.bin', source: { bytes: encodeHead(createTestHead('a')) } }],
  })
  await registry.promote('ticket', 1)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await s3.close()
  await rm(folder, { recursive: true, force: true })
})

const push = (...flags: string[]) =>
  runCommand(['push', 'ticket', '--to', s3.url('registry'), '-q', ...flags], {
    boot: createFakeBoot({ registry, cacheFolder: join(folder, 'cache') }),
  })

/**
 * The rights of the section "From a development account to production", as they are pasted: of a push, and the
 * statement that moving names needs beside them.
 */
async function readStatements(): Promise<{ push: Statement[]; aliases: Statement }> {
  const page = await readFile(PAGE, 'utf8')
  const section = page.split('## From a development account to production')[1] ?? ''
  const [first = '', second = ''] = [...section.matchAll(/```json\n([\s\S]*?)```/g)].map(
    ([, json]) => json,
  )
  return { push: JSON.parse(first).Statement, aliases: JSON.parse(second) }
}

/** What the rights do not allow of what S3 was asked. */
async function refused(withAliases = false): Promise<string[]> {
  const { push, aliases } = await readStatements()
  const statements = withAliases ? [...push, aliases] : push
  const may = (action: string, arn: string) =>
    statements.some(
      ({ Action, Resource }) =>
        Action.includes(action) &&
        Resource.some((resource) => {
          const parts = resource.split('*').map((part) => part.replace(/[.:/-]/g, '\\$&'))
          return new RegExp(`^${parts.join('.*')}$`).test(arn)
        }),
    )
  return s3.requests.filter((request) => {
    const [method = '', key = ''] = request.split(' ')
    return key === '' ? !may('s3:ListBucket', BUCKET) : !may(ACTIONS[method]!, `${BUCKET}/${key}`)
  })
}

describe('the rights of a development account in the registry of production', () => {
  it('are enough for a push, and for the same push again', async () => {
    expect(await push()).toMatchObject({ code: 0, stderr: '' })
    expect(await push()).toMatchObject({ code: 0, stderr: '' })
    expect(s3.requests.filter((request) => request.startsWith('PUT ')).length).toBeGreaterThan(2)
    expect(await refused()).toEqual([])
  })

  it('are not enough to promote there, but for one statement more', async () => {
    expect(await push('--aliases')).toMatchObject({ code: 0 })
    expect(new Set(await refused())).toEqual(new Set(['PUT registry/models/ticket/state.json']))
    expect(await refused(true)).toEqual([])
    // Once more, with a state that is replaced.
    await registry.publish({
      name: 'ticket',
      kind: 'classifier',
      family: FAKE_FAMILY,
      metadata: {},
      files: [{ path: 'head.bin', source: { bytes: encodeHead(createTestHead('b')) } }],
    })
    await registry.promote('ticket', 2)
    expect(await push('--aliases')).toMatchObject({ code: 0 })
    expect(await refused(true)).toEqual([])
  })

  it('are not enough to delete a version there, or a file', async () => {
    const { push: statements } = await readStatements()
    const actions = statements.flatMap(({ Action }) => Action)
    expect(actions.filter((action) => action.includes('*'))).toEqual([])
    const deletes = statements.filter(({ Action }) => Action.some((name) => /Delete/.test(name)))
    expect(deletes.flatMap(({ Resource }) => Resource)).toEqual([`${BUCKET}/registry/sweeps/*`])
  })
})
