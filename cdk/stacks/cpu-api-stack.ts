import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import { CpuApi, type CpuApiProps } from '../constructs/cpu-api.ts'

/** How the stack of the endpoint on Lambda is made. */
export interface CpuApiStackProps extends StackProps, CpuApiProps {}

/** An HTTPS endpoint whose copies run while somebody calls. */
export class CpuApiStack extends Stack {
  readonly api: CpuApi

  constructor(scope: Construct, id: string, props: CpuApiStackProps) {
    super(scope, id, { description: 'Espalier: HTTPS endpoint on Lambda', ...props })
    this.api = new CpuApi(this, 'CpuApi', props)
    new CfnOutput(this, 'Url', { value: this.api.url, description: 'Where requests go' })
  }
}
