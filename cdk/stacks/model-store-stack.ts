import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import { ModelStore, type ModelStoreProps } from '../constructs/model-store.ts'

/** How the stack of the model store is made. */
export interface ModelStoreStackProps extends StackProps, ModelStoreProps {}

/** The bucket of models; it outlives the stacks that use it. */
export class ModelStoreStack extends Stack {
  readonly store: ModelStore

  constructor(scope: Construct, id: string, props: ModelStoreStackProps = {}) {
    super(scope, id, { description: 'Espalier: versions of models', ...props })
    this.store = new ModelStore(this, 'Models', props)
    new CfnOutput(this, 'Registry', {
      value: this.store.registryUrl,
      description: 'ESPALIER_REGISTRY for the command line',
    })
  }
}
