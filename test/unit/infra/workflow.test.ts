import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, type TestContext } from 'vitest'

const file = fileURLToPath(new URL('../../../examples/github/deploy.yml', import.meta.url))
const workflow = readFileSync(file, 'utf8')

describe('the workflow that deploys from GitHub', () => {
  it('is what the page on deployment shows', () => {
    const page = readFileSync(new URL('../../../docs/deploy.md', import.meta.url), 'utf8')
    expect(page).toContain(`\`\`\`yaml\n${workflow}\`\`\`\n`)
  })

  it('names every action by a commit, and its version beside', () => {
    const uses = [...workflow.matchAll(/uses: (.*)$/gm)].map(([, action]) => action)
    expect(uses).toHaveLength(3)
    for (const action of uses) expect(action).toMatch(/^[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
  })

  it('puts no expression into a script', () => {
    const steps = workflow.split(/^ {6}- /m).slice(1)
    const scripts = steps.map((step) => /run: [\s\S]*/.exec(step)?.[0] ?? '')
    expect(scripts.filter((script) => script !== '')).toHaveLength(4)
    for (const script of scripts) expect(script).not.toContain('${{')
  })

  const passes = (program: string, args: readonly string[], install: string, test: TestContext) => {
    const { status, stdout, stderr, error } = spawnSync(program, [...args, file])
    if (error) return test.skip(`no ${program} here: "${install}" brings it`)
    expect({ status, output: status === 0 ? '' : `${stdout}${stderr}` }).toEqual({
      status: 0,
      output: '',
    })
  }

  it('passes actionlint', (test) => {
    passes('actionlint', [], 'go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12', test)
  })

  it('passes zizmor', (test) => {
    passes('zizmor', ['--offline', '--persona', 'pedantic'], 'pip install zizmor', test)
  })
})
