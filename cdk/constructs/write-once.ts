import { Lazy } from 'aws-cdk-lib'
import { Effect, PolicyStatement, StarPrincipal } from 'aws-cdk-lib/aws-iam'
import type { IBucket } from 'aws-cdk-lib/aws-s3'

/**
 * Denies overwrites where content never changes: a write to blobs and versions has to say under what condition it
 * writes, and versions may only be created, but for the roles that may put a tombstone in the place of one. State and
 * index stay writable. After "Enforce conditional writes" in the S3 user guide.
 */
export function denyOverwrites(
  bucket: IBucket,
  prefix: string,
  removers: () => readonly string[],
): void {
  const blobs = bucket.arnForObjects(`${prefix}/blobs/*`)
  const versions = bucket.arnForObjects(`${prefix}/models/*/versions/*`)
  // True for what makes an object: beginnings and parts of an upload carry no condition, its end does.
  const creates = { 's3:ObjectCreationOperation': 'true' }
  bucket.addToResourcePolicy(
    new PolicyStatement({
      sid: 'DenyUnconditionalWrites',
      effect: Effect.DENY,
      principals: [new StarPrincipal()],
      actions: ['s3:PutObject'],
      resources: [blobs, versions],
      conditions: {
        Bool: creates,
        Null: { 's3:if-none-match': 'true', 's3:if-match': 'true' },
      },
    }),
  )
  bucket.addToResourcePolicy(
    new PolicyStatement({
      sid: 'DenyReplacingVersions',
      effect: Effect.DENY,
      principals: [new StarPrincipal()],
      actions: ['s3:PutObject'],
      resources: [versions],
      conditions: {
        Bool: creates,
        Null: { 's3:if-none-match': 'true' },
        // Without a name in it, it is true for everybody.
        ArnNotEquals: {
          'aws:PrincipalArn': Lazy.list({
            produce: () => {
              const named = removers()
              return named.length > 0 ? [...named] : ['arn:aws:iam::000000000000:role/nobody']
            },
          }),
        },
      },
    }),
  )
}
