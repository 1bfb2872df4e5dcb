import type { LiveModels } from './classifiers.ts'
import { type ClassifyInput, type ClassifyResult, classify } from './classify.ts'
import { type EmbedDeps, type EmbedInput, type EmbedResult, embed } from './embed.ts'

/** What the use cases work with. */
export interface ServiceDeps extends EmbedDeps {
  readonly classifiers: LiveModels
}

/** The use cases that a server offers, bound to their parts. */
export interface Services {
  embed(request: EmbedInput): Promise<EmbedResult>
  classify(request: ClassifyInput): Promise<ClassifyResult>
}

/** Binds every use case to the parts it works with. */
export function createServices(deps: ServiceDeps): Services {
  return {
    embed: (request) => embed(deps, request),
    classify: (request) => classify(deps, request),
  }
}
