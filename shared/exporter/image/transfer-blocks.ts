import { EspalierError } from '../../lib/errors.ts'
import type { TransferLayer } from '../../lib/manifests/encoder-manifest.ts'
import { countElements } from '../../lib/maths/count-elements.ts'
import { hint, option, say, task } from '../../lib/wording.ts'

type Layers = readonly TransferLayer[]

/**
 * The layers below `chosen` that blocks of an image network end at, from the input on: where it is narrow, at a
 * layer no larger than the last such one or than both its neighbours. What lies above one can be trained alone.
 */
export function listBlocks(layers: Layers, chosen: TransferLayer): TransferLayer[] {
  const blocks: TransferLayer[] = []
  layers.forEach((layer, at) => {
    if (layer.parameters >= chosen.parameters) return
    const [before, next] = [layers[at - 1], layers[at + 1]]
    const last = blocks.at(-1)
    const isDip = isNarrower(layer, before) && isNarrower(layer, next)
    if (!isDip && !isNarrower(layer, last)) return
    // A pool between them trains nothing: the narrower side is the cheaper one.
    if (last?.parameters === layer.parameters) blocks.pop()
    blocks.push(layer)
  })
  return blocks
}

/**
 * The layer below the last `count` blocks; what is above it up to `chosen` is trained.
 * @throws EspalierError `invalid_request` where there are fewer blocks
 */
export function layerBelowBlocks(
  layers: Layers,
  chosen: TransferLayer,
  count: number,
): TransferLayer {
  const blocks = listBlocks(layers, chosen)
  const found = blocks.at(-count)
  if (found && Number.isInteger(count) && count >= 1) return found
  throw new EspalierError(
    'invalid_request',
    say`${option('layers', count)}: ${blocks.length} blocks of this network can be trained${hint(say`; ${task('layers')} counts them`)}`,
    { param: 'layers' },
  )
}

/**
 * The layer of that name, with weights above it up to `chosen`.
 * @throws EspalierError `invalid_request`
 */
export function layerNamed(layers: Layers, chosen: TransferLayer, name: string): TransferLayer {
  const below = layers.filter(({ parameters }) => parameters < chosen.parameters)
  const found = below.find((layer) => layer.name === name)
  if (found) return found
  const last = below.slice(-5).map((layer) => layer.name)
  throw new EspalierError(
    'invalid_request',
    say`${option('from-layer', name)}: no layer with weights between it and ${chosen.name}; ${hint(say`${task('layers')} lists them, `)}the last are ${last.join(', ')}`,
    { param: 'from-layer' },
  )
}

function isNarrower(layer: TransferLayer, than: TransferLayer | undefined): boolean {
  return than === undefined || countElements(layer.shape) <= countElements(than.shape)
}
