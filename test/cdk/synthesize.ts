import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { composeApp } from '../../cdk/compose.ts'
import { App, Template } from '../../cdk/testing.ts'

/** Values of `-c key=value`. */
export type ContextValues = Readonly<Record<string, string>>

const file = new URL('../../cdk/cdk.json', import.meta.url)

/** The context of cdk.json, which only the command line reads by itself. */
export const CDK_JSON: Readonly<Record<string, unknown>> = JSON.parse(
  readFileSync(file, 'utf8'),
).context

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`
const repository = '123456789012.dkr.ecr.eu-west-1.amazonaws.com/espalier'

/** An image by its digest, so that nothing is to be built. */
export const IMAGE = `${repository}@${digest}`

/** A deployment of everything. */
export const EVERYTHING: ContextValues = {
  region: 'eu-west-1',
  stacks: 'store,cpu,gpu,train,bulk,ops',
  'image.cpu': IMAGE,
  'image.gpu': IMAGE,
  'gpu.domain': 'models.example.com',
  'gpu.certificate':
    'arn:aws:acm:eu-west-1:123456789012:certificate/11111111-2222-3333-4444-555555555555',
  'gpu.keys': 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:espalier-keys-AbCdEf',
  'train.gpu': 'true',
  'alarms.email': 'ops@example.com',
}

/** The smallest deployment: models and the endpoint on Lambda. */
export const SMALLEST: ContextValues = {
  region: 'eu-west-1',
  stacks: 'store,cpu',
  'image.cpu': IMAGE,
}

/** A resource of a template. */
export interface TemplateResource {
  readonly Type: string
  readonly Properties?: Readonly<Record<string, unknown>>
  readonly DeletionPolicy?: string
  readonly UpdateReplacePolicy?: string
}

/** An image that a deployment builds, as the command line of the CDK is told. */
export interface DockerImage {
  readonly source: Readonly<Record<string, unknown>>
}

/** What a synthesis leaves, by the name of a stack. */
export interface Synthesis {
  readonly stacks: readonly string[]
  readonly missing: readonly unknown[]
  /** What a deployment builds and pushes. */
  readonly images: readonly DockerImage[]
  text(stack: string): string
  template(stack: string): Template
  resources(stack: string): Readonly<Record<string, TemplateResource>>
}

/** Makes an application as the command line does, without synthesising it. */
export function compose(values: ContextValues): App {
  const app = new App({ context: { ...CDK_JSON, ...values } })
  composeApp(app)
  return app
}

/** Synthesises an application; throws what the checks of AwsSolutions and CloudFormation find. */
export function synthesize(
  values: ContextValues,
  prepare: (app: App) => void = () => {},
): Synthesis {
  const outdir = mkdtempSync(join(tmpdir(), 'espalier-cdk-'))
  try {
    const app = new App({ context: { ...CDK_JSON, ...values }, outdir })
    composeApp(app)
    prepare(app)
    const assembly = app.synth()
    const texts = new Map(
      assembly.stacks.map(({ stackName, templateFullPath }) => [
        stackName,
        readFileSync(templateFullPath, 'utf8'),
      ]),
    )
    const images = [...texts.keys()].flatMap((stack) => {
      const manifest = JSON.parse(readFileSync(join(outdir, `${stack}.assets.json`), 'utf8'))
      return Object.values<DockerImage>(manifest.dockerImages ?? {})
    })
    keepTemplates(texts)
    const text = (stack: string): string => {
      const found = texts.get(stack)
      if (found === undefined) throw new Error(`there is no stack ${stack}`)
      return found
    }
    return {
      stacks: [...texts.keys()],
      missing: assembly.manifest.missing ?? [],
      images,
      text,
      template: (stack) => Template.fromJSON(JSON.parse(text(stack))),
      resources: (stack) => JSON.parse(text(stack)).Resources,
    }
  } finally {
    rmSync(outdir, { recursive: true, force: true })
  }
}

/** Leaves templates in a folder, each once, for `npm run lint:cdk`. */
function keepTemplates(texts: ReadonlyMap<string, string>): void {
  const folder = process.env.ESPALIER_CDK_TEMPLATES
  if (folder === undefined) return
  for (const [stack, text] of texts) {
    const hash = createHash('sha256').update(text).digest('hex').slice(0, 12)
    writeFileSync(join(folder, `${stack}-${hash}.json`), text)
  }
}

/** The resources of a type, in a synthesis' stack. */
export function ofType(
  synthesis: Synthesis,
  stack: string,
  type: string,
): readonly TemplateResource[] {
  return Object.values(synthesis.resources(stack)).filter(({ Type }) => Type === type)
}

/** The properties of the only resource of a type, read as what a test knows them to be. */
export function onlyOf<T>(synthesis: Synthesis, stack: string, type: string): T {
  const [found, ...others] = ofType(synthesis, stack, type)
  if (found?.Properties === undefined || others.length > 0) {
    throw new Error(`${stack} has ${others.length + (found ? 1 : 0)} resources of type ${type}`)
  }
  return found.Properties as T
}
