import { Stack, Validations } from 'aws-cdk-lib'
import { flattenCfnReference } from 'cdk-nag/lib/utils/flatten-cfn-reference.js'
import type { IConstruct } from 'constructs'

/**
 * Accepts findings of the AwsSolutions checks on a construct and what is under it, all for one reason. A finding that
 * nobody accepted fails the synthesis.
 */
export function acknowledge(scope: IConstruct, reason: string, ids: readonly string[]): void {
  Validations.of(scope).acknowledge(...ids.map((id) => ({ id: `AwsSolutions-${id}`, reason })))
}

/** Accepts policies on these resources, whose names end in a wildcard because what lies under them is not known. */
export function acknowledgeResources(
  scope: IConstruct,
  reason: string,
  resources: readonly string[],
): void {
  // References between stacks get their final form during synthesis, and findings are named by that form.
  scope.node.addValidation({
    validate() {
      const names = resources.map((arn) => flattenCfnReference(Stack.of(scope).resolve(arn)))
      acknowledge(
        scope,
        reason,
        names.filter((name) => name.includes('*')).map((name) => `IAM5[Resource::${name}]`),
      )
      return []
    },
  })
}
