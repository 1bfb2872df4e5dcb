import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import { GpuApi, type GpuApiProps } from '../constructs/gpu-api.ts'

/** How the stack of the endpoint on GPUs is made. */
export interface GpuApiStackProps extends StackProps, GpuApiProps {}

/** An HTTPS endpoint on instances with GPUs. */
export class GpuApiStack extends Stack {
  readonly api: GpuApi

  constructor(scope: Construct, id: string, props: GpuApiStackProps) {
    super(scope, id, { description: 'Espalier: HTTPS endpoint on GPUs', ...props })
    this.api = new GpuApi(this, 'GpuApi', props)
    new CfnOutput(this, 'Url', { value: this.api.url, description: 'Where requests go' })
    new CfnOutput(this, 'LoadBalancer', {
      value: this.api.front.loadBalancer.loadBalancerDnsName,
      description: 'What the name has to point at, where it is not made here',
    })
  }
}
