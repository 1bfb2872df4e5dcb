import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import { ModelEvents } from '../constructs/model-events.ts'
import { ModelStore, type ModelStoreProps } from '../constructs/model-store.ts'

/** How the stack of the model store is made. */
export interface ModelStoreStackProps extends StackProps, ModelStoreProps {
  /**
   * Whether every change of a model makes an event on the default bus of EventBridge.
   * @default false
   */
  readonly withEvents?: boolean
}

/** The bucket of models; it outlives the stacks that use it. */
export class ModelStoreStack extends Stack {
  readonly store: ModelStore
  /** Undefined without `withEvents`. */
  readonly modelEvents: ModelEvents | undefined

  constructor(scope: Construct, id: string, props: ModelStoreStackProps = {}) {
    super(scope, id, { description: 'Espalier: versions of models', ...props })
    const store = new ModelStore(this, 'Models', props)
    this.store = store
    this.modelEvents = props.withEvents ? new ModelEvents(this, 'Events', { store }) : undefined
    new CfnOutput(this, 'Registry', {
      value: this.store.registryUrl,
      description: 'ESPALIER_REGISTRY for the command line',
    })
  }
}
