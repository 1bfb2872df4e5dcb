import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import type { EncoderSources } from '../../shared/encoders/encoder-sources.ts'
import type { RegistryMemory } from '../../shared/following/registry-memory.ts'
import type { RegistryReader } from '../../shared/registry/types.ts'
import type { LiveService } from '../../shared/serving/services.ts'
import { type ApiTestDeps, createApiDeps } from './api-deps.ts'

/** An application that follows a registry, encoders and heads alike. */
export interface LiveApp {
  readonly app: ApiApp
  readonly live: LiveService
  readonly log: ApiTestDeps['log']
}

/** Builds the application as boot does; it looks at the registry when a test says so. */
export async function openLiveApp(options: {
  readonly encoder: string
  readonly registry: RegistryReader
  readonly sources: EncoderSources
  readonly env?: Record<string, string>
  readonly memory?: RegistryMemory | null
}): Promise<LiveApp> {
  const { encoder: name, ...parts } = options
  const deps = await createApiDeps({ ...parts, name })
  return { app: createApp(deps), live: deps, log: deps.log }
}
