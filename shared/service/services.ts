import { type EmbedDeps, type EmbedInput, type EmbedResult, embed } from './embed.ts'

/** The use cases that a server offers, bound to their parts. */
export interface Services {
  embed(request: EmbedInput): Promise<EmbedResult>
}

/** Binds every use case to the parts it works with. */
export function createServices(deps: EmbedDeps): Services {
  return {
    embed: (request) => embed(deps, request),
  }
}
