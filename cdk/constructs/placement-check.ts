import { type IAspect, Stack } from 'aws-cdk-lib'
import { CfnJobDefinition } from 'aws-cdk-lib/aws-batch'
import { CfnTaskDefinition } from 'aws-cdk-lib/aws-ecs'
import type { IConstruct } from 'constructs'
import { SettingError } from '../settings/setting-error.ts'

/** The parts of a rendered task or job that say what it needs and where it may run. */
interface Rendered {
  readonly requiresCompatibilities?: readonly string[]
  readonly platformCapabilities?: readonly string[]
  readonly containerDefinitions?: readonly Container[]
  readonly containerProperties?: Container
}

interface Container {
  readonly resourceRequirements?: readonly { readonly type?: string }[]
}

/** Refuses tasks and jobs that ask Fargate for a GPU: AWS would say so only when the first of them is started. */
export class PlacementCheck implements IAspect {
  visit(node: IConstruct): void {
    if (!(node instanceof CfnTaskDefinition || node instanceof CfnJobDefinition)) return
    const stack = Stack.of(node)
    const places: Rendered =
      node instanceof CfnTaskDefinition
        ? stack.resolve({
            requiresCompatibilities: node.requiresCompatibilities,
            containerDefinitions: node.containerDefinitions,
          })
        : stack.resolve({
            platformCapabilities: node.platformCapabilities,
            containerProperties: node.containerProperties,
          })
    const capabilities = [
      ...(places.requiresCompatibilities ?? []),
      ...(places.platformCapabilities ?? []),
    ]
    const containers = [
      ...(places.containerDefinitions ?? []),
      ...(places.containerProperties ? [places.containerProperties] : []),
    ]
    const needsGpu = containers.some(({ resourceRequirements }) =>
      resourceRequirements?.some(({ type }) => type === 'GPU'),
    )
    if (needsGpu && capabilities.includes('FARGATE')) {
      throw new SettingError(
        `${node.node.path}: a GPU on Fargate, which has none; use instances, or leave the GPU out`,
      )
    }
  }
}
