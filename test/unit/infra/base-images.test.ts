import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'

const docker = fileURLToPath(new URL('../../../infra/docker/', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'espalier-bases-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

const digestOf = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`
const NODE = 'docker.io/library/node:24-bookworm-slim'
const ADAPTER = 'public.ecr.aws/awsguru/aws-lambda-adapter:1.1.0'
const CUDA = 'docker.io/nvidia/cuda:13.1.1-cudnn-runtime-ubuntu24.04'

/** Searches for a program of this name first, and for Node. */
function pathWith(name: string, script: string): string {
  const folder = mkdtempSync(join(work, 'bin-'))
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`)
  chmodSync(join(folder, name), 0o755)
  symlinkSync(process.execPath, join(folder, 'node'))
  return `${folder}:/usr/bin:/bin`
}

function resolve(args: readonly string[], PATH: string) {
  const run = spawnSync('bash', [join(docker, 'resolve-digests.sh'), ...args], { env: { PATH } })
  return { code: run.status, stdout: run.stdout.toString(), stderr: run.stderr.toString() }
}

/** `crane digest [--platform P] IMAGE`: another digest for each platform and image. */
const crane = pathWith(
  'crane',
  `shift; printf 'sha256:'; printf '%s' "$*" | sha256sum | cut -d' ' -f1`,
)

describe('resolve-digests.sh', () => {
  it.each([
    ['cpu', [`NODE_IMAGE=${NODE}`, `ADAPTER_IMAGE=${ADAPTER}`]],
    ['gpu', [`NODE_IMAGE=${NODE}`, `CUDA_IMAGE=${CUDA}`]],
  ])('prints the arguments of target %s with digests', (target, images) => {
    const { code, stdout } = resolve([target], crane)
    expect(code).toBe(0)
    const lines = images.map(
      (pair) => `--build-arg ${pair}@${digestOf(pair.slice(pair.indexOf('=') + 1))}`,
    )
    expect(stdout.trim().split('\n')).toEqual(lines)
  })

  it('asks for the image of one processor', () => {
    expect(resolve(['cpu', 'arm64'], crane).stdout.split('\n')).toEqual([
      `--build-arg NODE_IMAGE=${NODE}@${digestOf(`--platform linux/arm64 ${NODE}`)}`,
      `--build-arg ADAPTER_IMAGE=${ADAPTER}@${digestOf(`--platform linux/arm64 ${ADAPTER}`)}`,
      '',
    ])
    const [first] = resolve(['gpu', 'x86_64'], crane).stdout.split('\n')
    expect(first).toContain(digestOf(`--platform linux/amd64 ${NODE}`))
  })

  const index = JSON.stringify({
    manifests: [
      { digest: digestOf('intel'), platform: { os: 'linux', architecture: 'amd64' } },
      { digest: digestOf('proof'), platform: { os: 'unknown', architecture: 'unknown' } },
      { digest: digestOf('arm'), platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
    ],
  })
  const print = (text: string) => `printf '%s' '${text}'`

  it.each([
    ['skopeo', print(index)],
    ['docker', `case "$*" in *--raw*) ${print(index)} ;; *) echo ${digestOf(index)} ;; esac`],
  ])('finds the same with %s', (program, script) => {
    const path = pathWith(program, script)
    expect(resolve(['cpu'], path).stdout).toContain(`NODE_IMAGE=${NODE}@${digestOf(index)}\n`)
    expect(resolve(['cpu', 'arm64'], path).stdout).toContain(`@${digestOf('arm')}\n`)
    expect(resolve(['gpu', 'x86_64'], path).stdout).toContain(`@${digestOf('intel')}\n`)
  })

  it('says that a base has no image for a processor', () => {
    const path = pathWith('skopeo', print('{"manifests": []}'))
    expect(resolve(['cpu', 'arm64'], path)).toEqual({
      code: 1,
      stdout: '',
      stderr: `no digest for ${ADAPTER} on linux/arm64: its index has no such image\n`,
    })
  })

  it('prints nothing where one of them is no digest', () => {
    for (const script of ['exit 1', 'echo', 'echo sha256:1234', 'echo latest']) {
      expect(resolve(['cpu'], pathWith('crane', script))).toMatchObject({ code: 1, stdout: '' })
    }
    const half = `case "$*" in *node*) exit 1 ;; *) echo ${digestOf('adapter')} ;; esac`
    expect(resolve(['cpu'], pathWith('crane', half))).toMatchObject({ code: 1, stdout: '' })
  })

  it('refuses what is no target, and GPUs with another processor', () => {
    for (const args of [[], ['tpu'], ['cpu', 'sparc']]) {
      expect(resolve(args, crane)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('usage: resolve-digests.sh cpu|gpu [x86_64|arm64]'),
      })
    }
    expect(resolve(['gpu', 'arm64'], crane)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('x86_64 only'),
    })
    expect(resolve(['--help'], crane).stdout).toContain('usage: resolve-digests.sh')
  })
})

describe('the Dockerfile, converted as docker does', () => {
  const found = spawnSync('bash', [join(docker, 'install-check.sh'), '--built'])
  const program = found.stdout.toString().trim()
  const required = process.env.DOCKERFILE_CHECK_REQUIRED === '1'

  beforeEach((test) => {
    if (program === '' && !required) test.skip(found.stderr.toString().trim())
  })

  const convert = (target: string, args: readonly string[]) => {
    const run = spawnSync(program, [join(docker, 'Dockerfile'), target, ...args])
    return { code: run.status, stdout: run.stdout.toString(), stderr: run.stderr.toString() }
  }
  const resolved = (...args: string[]) => resolve(args, crane).stdout.trim().split(/\s+/)
  const namesOf = (lines: string) =>
    lines
      .trim()
      .split('\n')
      .map((line) => line.slice(0, line.indexOf('@')))

  it.each([
    ['cpu', 'linux/amd64', [], [NODE, ADAPTER]],
    ['cpu', 'linux/amd64', ['x86_64'], [NODE, ADAPTER]],
    ['cpu', 'linux/arm64', ['arm64'], [NODE, ADAPTER]],
    ['gpu', 'linux/amd64', [], [NODE, CUDA]],
    ['gpu', 'linux/amd64', ['x86_64'], [NODE, CUDA]],
  ] as const)(
    'builds target %s for %s from what resolve-digests.sh prints with %j',
    (target, platform, processor, bases) => {
      const args = ['--platform', platform, ...resolved(target, ...processor)]
      const { code, stdout, stderr } = convert(target, args)
      expect(stderr).toBe('')
      expect(code).toBe(0)
      expect(namesOf(stdout)).toEqual([...bases].sort())
    },
  )

  it('refuses to build without a base', () => {
    const adapter = resolved('cpu').slice(2)
    expect(adapter[1]).toContain('ADAPTER_IMAGE=')
    expect(convert('cpu', adapter)).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(`base name (\${NODE_IMAGE}) should not be blank`),
    })
  })

  it('would see a target that is not there', () => {
    expect(convert('tpu', resolved('cpu'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('"tpu" could not be found'),
    })
  })
})
