import type { ModelChange } from '../../following/model-changes.ts'
import type { RegistryFollower } from '../../following/registry-follower.ts'
import type { Logger } from '../../lib/logger.ts'
import { formatModelVersion } from '../../lib/text/model-address.ts'
import { isUnreadable } from '../../registry/scan.ts'
import type { RegistryVersion } from '../../registry/types.ts'
import { Refusals, type RefusalsOptions } from './refusals.ts'

/** What faults of models are gathered from. */
export interface ModelFaultsOptions extends RefusalsOptions {
  readonly follower: Pick<RegistryFollower, 'unreadable'>
  /** Versions that the registry wants and that do not answer, as `name@v2`. */
  readonly held: () => readonly string[]
  readonly log: Logger
}

/** Knows what is the matter with single models while all others answer. */
export class ModelFaults {
  readonly #options: ModelFaultsOptions
  /** Versions that a request asked for and that could not be loaded. */
  readonly #unloaded: Refusals
  /** Models whose fault is in the log already. */
  readonly #logged = new Set<string>()

  constructor(options: ModelFaultsOptions) {
    this.#options = options
    this.#unloaded = new Refusals(options)
  }

  /** Everything that does not answer as the registry wants it, by name: `name` or `name@v2`. */
  list(): readonly string[] {
    const { follower, held } = this.#options
    const names = [...follower.unreadable.keys(), ...held(), ...this.#unloaded.reasons.keys()]
    return [...new Set(names)].sort()
  }

  /** Notes that a version could not be loaded where that is the fault of its files. */
  async note(version: RegistryVersion, error: unknown): Promise<void> {
    if (!isUnreadable(error)) return
    const label = formatModelVersion(version)
    const mark = await this.#unloaded.mark(version)
    if (!this.#unloaded.add(label, error.message, version, mark)) return
    this.#options.log.error({ model: label, reason: error.message }, 'version cannot be loaded')
  }

  /** Notes that a version was loaded. */
  clear(version: RegistryVersion): void {
    this.#unloaded.delete(formatModelVersion(version))
  }

  /** Tries versions again that could not be loaded, where it is time to or their files changed. Never throws. */
  async recheck(load: (version: RegistryVersion) => Promise<void>): Promise<void> {
    for (const version of this.#unloaded.versions) {
      if ((await this.#unloaded.reasonToWait(formatModelVersion(version))) !== null) continue
      try {
        await load(version)
        this.clear(version)
      } catch (error) {
        await this.note(version, error)
      }
    }
  }

  /** Lets all be tried again with the next look. */
  retryAll(): void {
    this.#unloaded.retryAll()
  }

  /** Tells of models of which a record cannot be read: in every look, but once in the log. */
  noteUnreadable(): readonly ModelChange[] {
    const { follower, log } = this.#options
    for (const name of this.#logged) {
      if (!follower.unreadable.has(name)) this.#logged.delete(name)
    }
    return [...follower.unreadable].map(([model, reason]) => {
      if (!this.#logged.has(model)) {
        log.error({ model, reason }, 'model not readable; what can be read of it serves on')
      }
      this.#logged.add(model)
      return { model, change: 'refused', reason }
    })
  }
}
