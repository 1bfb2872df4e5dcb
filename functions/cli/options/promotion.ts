import type { TrainHeadRequest } from '../../../shared/jobs/heads/request.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'

/** Options of every command that trains and may promote what it made. */
interface PromotionOptions {
  readonly promote?: boolean
  readonly force?: boolean
  readonly dryRun?: boolean
}

/** @throws EspalierError `invalid_request` for options that contradict each other */
export function checkPromotionOptions({ promote, force, dryRun }: PromotionOptions): void {
  const fail = (message: string): never => {
    throw new EspalierError('invalid_request', message)
  }
  if (force === true && promote !== true) fail('--force is of use with --promote only')
  if (dryRun === true && promote === true) fail('--dry-run publishes nothing to promote')
}

/** When the new version is to be promoted. */
export function promotionWish({ promote, force }: PromotionOptions): TrainHeadRequest['promote'] {
  if (promote !== true) return 'no'
  return force === true ? 'always' : 'unless-worse'
}
