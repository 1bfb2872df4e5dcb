import { systemClock } from '../../shared/lib/clock.ts'
import { createLiveService, type LiveService } from '../../shared/serving/services.ts'
import type { ServeParts } from './serve/start-server.ts'

/** The use cases without HTTP, for programs that call them in their own process. */
export type RunningService = Pick<LiveService, 'services' | 'encoders' | 'classifiers' | 'close'>

/** The use cases over an open encoder; ready at once. */
export function openService(parts: ServeParts): RunningService {
  const live = createLiveService({ ...parts, clock: systemClock })
  return {
    ...live,
    async close() {
      await live.close()
      await parts.close()
    },
  }
}
