import type { PublishRequest } from '../../../shared/registry/publish.ts'
import { bytesOf } from './scratch.ts'

export const FAMILY = 'f'.repeat(64)

/** A small classifier with two files, different for every `content`. */
export function sampleRequest(
  content: string,
  changes: Partial<PublishRequest> = {},
): PublishRequest {
  return {
    name: 'intent',
    kind: 'classifier',
    family: FAMILY,
    metadata: { labels: ['a', 'b'] },
    metrics: { accuracy: 0.9 },
    lineage: { encoder: 'all-minilm-l6-v2@v1', seed: 42, command: 'train' },
    files: [
      { path: 'head.bin', source: { bytes: bytesOf(`weights ${content}`) } },
      { path: 'report/report.md', source: { bytes: bytesOf(`report ${content}`) } },
    ],
    ...changes,
  }
}
