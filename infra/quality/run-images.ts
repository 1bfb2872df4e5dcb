/**
 * Measures `espalier train`, `adapt` and `finetune` on images with the built-in image encoder:
 *
 *   npm run quality:images -- FOLDER [--only office|pets|vectors|finetune] [--draws 5] [--sizes 20,100,1000,all]
 *     [--layers] [--export OUT] [--seeds 1,2] [--finetune "--layers 5"]
 *
 * FOLDER holds office-caltech10/{amazon,webcam} and cats-vs-dogs/{train,test}, a folder for each label in each.
 * --layers compares transfer layers too; --export writes into a folder the vectors for compare-images.py.
 * --only finetune runs the built command (`npm run build`) on the sizes from 1,000 on, with each seed: minutes each.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import sharp from 'sharp'
import { createBoot } from '../../functions/boot/boot.ts'
import type { Boot } from '../../functions/boot/types.ts'
import { openNpyWriter } from '../../shared/dataset/arrays/npy-file.ts'
import { embedForJob } from '../../shared/jobs/rows/embed-for-job.ts'
import type { MatrixKernels } from '../../shared/lib/maths/matrix-kernels.ts'
import { scoreLayer } from '../../shared/training/evaluation/logme.ts'
import { trainHead } from '../../shared/training/train-head.ts'
import { type ImageRunResult, runFineTune } from './finetune-images.ts'
import { type EmbeddedImages, type EmbedImages, embedImages, readImages } from './image-sets.ts'
import { type CurvePoint, measureAdapting, measureHead, measurePoint } from './measure-images.ts'

const OFFICE = ['office-caltech10/amazon', 'office-caltech10/webcam'] as const
const PETS = ['cats-vs-dogs/train', 'cats-vs-dogs/test'] as const
const ENCODER = 'efficientnet-lite0'
/** Fewer than the images have: covariances of 3,072 numbers take minutes each. */
const PIXELS = 16
/** With fewer there is too little to see. */
const FEWEST_TO_TUNE = 1000

const percent = (share: number) => (100 * share).toFixed(1)
const print = (line = '') => void process.stdout.write(`${line}\n`)

async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      draws: { type: 'string', default: '5' },
      sizes: { type: 'string', default: '20,100,1000,all' },
      layers: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      export: { type: 'string' },
      seeds: { type: 'string', default: '1,2' },
      finetune: { type: 'string', default: '' },
    },
  })
  const [root] = positionals
  if (root === undefined) throw new Error('name the folder of the data sets')
  if (values.only === 'finetune') {
    const options = values.finetune.split(' ').filter(Boolean)
    return tellFineTuning(root, values.sizes.split(','), values.seeds.split(','), options)
  }
  const boot = createBoot({ root: new URL('../../', import.meta.url), version: 'quality' })
  const kernels = await boot.openKernels()
  const embed = embedderOf(boot, ENCODER)
  const read = async (folder: string) => embedImages(await readImages(root, folder), embed)
  const wants = (part: string) => values.only === '' || values.only === part
  const { layers, export: output } = values
  if (wants('office') || layers || output) {
    const office = [await read(OFFICE[0]), await read(OFFICE[1])] as const
    if (output) await writeVectors(output, ['amazon', 'webcam'], office)
    if (wants('office')) await tellOffice(office, kernels)
    if (layers) await tellLayers(boot, office, kernels)
  }
  if (wants('pets') || output) {
    const pets = [await read(PETS[0]), await read(PETS[1])] as const
    if (output) await writeVectors(output, ['pets-train', 'pets-test'], pets)
    if (wants('pets')) await tellPets(pets, kernels, values.sizes.split(','), Number(values.draws))
  }
  await kernels.close()
}

/** The last blocks trained on cats and dogs, beside a head on the network as it is. */
async function tellFineTuning(
  root: string,
  sizes: readonly string[],
  seeds: readonly string[],
  options: readonly string[],
): Promise<void> {
  const [train, test] = PETS.map((folder) => join(root, folder)) as [string, string]
  print(
    '| training images | seed | frozen | fine-tuned | gain (95 % interval) | steps, kept | s: training, all |',
  )
  print('| --- | --- | --- | --- | --- | --- | --- |')
  for (const given of sizes) {
    const size = given === 'all' ? null : Number(given)
    if (size !== null && size < FEWEST_TO_TUNE) continue
    for (const seed of seeds) {
      const result = await runFineTune({ train, test, size, seed: Number(seed), options })
      print(tellRun(seed, result))
    }
  }
}

function tellRun(seed: string, { rows, fineTuning, ...time }: ImageRunResult): string {
  const [frozen, tuned] = fineTuning.contenders
  const { difference, low, high } = tuned!.gain!
  const points = (share: number) => `${share < 0 ? '−' : '+'}${percent(Math.abs(share))}`
  const cells = [
    rows,
    seed,
    percent(frozen!.accuracy!),
    percent(tuned!.accuracy!),
    `${points(difference)} (${points(low)} to ${points(high)})`,
    `${fineTuning.steps}, ${fineTuning.bestStep}`,
    `${time.trainingSeconds.toFixed(0)}, ${time.seconds.toFixed(0)}`,
  ]
  return `| ${cells.join(' | ')} |`
}

/** Vectors of an encoder, kept in the cache of the command line. */
function embedderOf(boot: Boot, model: string): EmbedImages {
  return async ({ examples }) => {
    const deps = {
      openEncoder: () => boot.openEncoder({ model }),
      embeddingFolder: join(boot.cacheFolder, 'embeddings'),
      log: boot.log,
    }
    const images = examples.map(({ image }) => image!)
    return (await embedForJob(deps, images, { check: () => {} })).embeddings
  }
}

async function tellOffice(
  [amazon, webcam]: readonly [EmbeddedImages, EmbeddedImages],
  kernels: MatrixKernels,
): Promise<void> {
  print('| trained on → tested on | auto | softmax | class means | CORAL | EasyTL |')
  print('| --- | --- | --- | --- | --- | --- |')
  const pairs = [
    ['amazon → webcam', amazon, webcam],
    ['webcam → amazon', webcam, amazon],
  ] as const
  for (const [name, source, target] of pairs) {
    const cells = []
    for (const method of ['auto', 'softmax', 'ncm'] as const) {
      cells.push(await measureHead(source, target, kernels, method))
    }
    const adapted = await measureAdapting(source, target, kernels)
    for (const wanted of ['coral', 'easytl']) {
      cells.push(adapted.find(({ method }) => method === wanted)!.accuracy)
    }
    print(`| ${name} | ${cells.map(percent).join(' | ')} |`)
  }
  print()
}

async function tellPets(
  [train, test]: readonly [EmbeddedImages, EmbeddedImages],
  kernels: MatrixKernels,
  sizes: readonly string[],
  draws: number,
): Promise<void> {
  const raw: EmbedImages = ({ examples }) => readPixels(examples.map(({ image }) => image!))
  const pixels = {
    train: await embedImages(train.dataset, raw),
    test: await embedImages(test.dataset, raw),
  }
  print('| training images | features of the network | raw pixels |')
  print('| --- | --- | --- |')
  for (const given of sizes) {
    const size = given === 'all' ? train.targets.length : Number(given)
    const tell = ({ accuracy, deviation }: CurvePoint) =>
      deviation > 0 ? `${percent(accuracy)} ± ${percent(deviation)}` : percent(accuracy)
    const point = await measurePoint(train, test, kernels, size, draws)
    const floor = await measurePoint(pixels.train, pixels.test, kernels, size, draws)
    print(`| ${point.rows} | ${tell(point)} | ${tell(floor)} |`)
  }
  const auto = await measureHead(train, test, kernels, 'auto')
  print(`| all, auto | ${percent(auto)} | |`)
  print()
}

/** The pixels themselves, less their mean, at length 1: what a head can do without the network. */
async function readPixels(
  images: readonly { load(): Promise<Uint8Array> }[],
): Promise<Float32Array> {
  const size = 3 * PIXELS * PIXELS
  const rows = new Float32Array(images.length * size)
  for (const [row, image] of images.entries()) {
    const pixels = await sharp(await image.load())
      .resize(PIXELS, PIXELS, { fit: 'fill' })
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer()
    const mean = pixels.reduce((sum, value) => sum + value, 0) / size
    const centred = Float32Array.from(pixels, (value) => value - mean)
    const norm = Math.hypot(...centred) || 1
    rows.set(
      centred.map((value) => value / norm),
      row * size,
    )
  }
  return rows
}

/** The last layer of each shape: what cross-validation and LogME say of it, and what it reaches elsewhere. */
async function tellLayers(
  boot: Boot,
  [amazon, webcam]: readonly [EmbeddedImages, EmbeddedImages],
  kernels: MatrixKernels,
): Promise<void> {
  const network = await boot.openNetwork(ENCODER)
  print('| layer | numbers | cross-validated | LogME | on webcam |')
  print('| --- | --- | --- | --- | --- |')
  for (const layer of network.promising) {
    const { folder } = await network.prepare(layer)
    const embed = embedderOf(boot, folder)
    const train = await embedImages(amazon.dataset, embed)
    const test = await embedImages(webcam.dataset, embed)
    const options = { family: 'quality', method: 'softmax' } as const
    const { crossValidation } = await trainHead(train, options, { kernels })
    const cells = [
      `\`${layer}\``,
      train.dimension,
      percent(crossValidation!.accuracy),
      scoreLayer(train, 500, 42)!.toFixed(3),
      percent(await measureHead(train, test, kernels, 'softmax')),
    ]
    print(`| ${cells.join(' | ')} |`)
  }
  print()
}

async function writeVectors(
  folder: string,
  names: readonly string[],
  sets: readonly EmbeddedImages[],
): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const [at, { embeddings, dimension, targets }] of sets.entries()) {
    const writer = await openNpyWriter(join(folder, `${names[at]}.npy`))
    const rows = Array.from(targets, (_, row) => ({
      vector: embeddings.subarray(row * dimension, (row + 1) * dimension),
      fields: {},
    }))
    await writer.write(rows)
    await writer.commit()
    await writeFile(join(folder, `${names[at]}.json`), JSON.stringify([...targets]))
  }
}

await main(process.argv.slice(2))
