import type { CvmConfiguration } from './options.js';

/** What a leaf or a branch of the instance metadata can be. */
export type MetadataValue = string | MetadataValue[] | { [name: string]: MetadataValue };

/** `/metadata/instance` of an ordinary VM, as api-version 2021-02-01 has it. */
export function instanceMetadata(vmId: string, { vmType, secureBoot = true, region }: CvmConfiguration): MetadataValue {
  const vmSize = { snp: 'Standard_DC4as_v5', tdx: 'Standard_DC4es_v5', tvm: 'Standard_D4as_v5' }[vmType ?? 'snp'];
  const securityType = vmType === 'tvm' ? 'TrustedLaunch' : 'ConfidentialVM';
  const subscriptionId = '8d10da13-8125-4ba9-a717-bf7490507b3d';
  const resourceGroupName = 'simulated';
  const name = 'simulated-cvm';
  const machine = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroupName}/providers/Microsoft.Compute/virtualMachines/${name}`;
  const image = { offer: 'ubuntu-24_04-lts', publisher: 'canonical', sku: 'cvm', version: '24.04.202409120' };
  return {
    compute: {
      azEnvironment: 'AzurePublicCloud',
      customData: '',
      evictionPolicy: '',
      isHostCompatibilityLayerVm: 'false',
      licenseType: '',
      location: region ?? 'westeurope',
      name,
      offer: image.offer,
      osProfile: { adminUsername: 'azureuser', computerName: name, disablePasswordAuthentication: 'true' },
      osType: 'Linux',
      placementGroupId: '',
      plan: { name: '', product: '', publisher: '' },
      platformFaultDomain: '0',
      platformUpdateDomain: '0',
      priority: '',
      provider: 'Microsoft.Compute',
      publicKeys: [],
      publisher: image.publisher,
      resourceGroupName,
      resourceId: machine,
      securityProfile: {
        secureBootEnabled: String(secureBoot),
        virtualTpmEnabled: 'true',
        encryptionAtHost: 'false',
        securityType,
      },
      sku: image.sku,
      storageProfile: {
        dataDisks: [],
        imageReference: { id: '', ...image },
        osDisk: {
          caching: 'ReadWrite',
          createOption: 'FromImage',
          diskSizeGB: '30',
          name: `${name}_OsDisk`,
          osType: 'Linux',
        },
        resourceDisk: { size: '0' },
      },
      subscriptionId,
      tags: '',
      tagsList: [],
      userData: '',
      version: image.version,
      vmId,
      vmScaleSetName: '',
      vmSize,
      zone: '',
    },
    network: {
      interface: [
        {
          ipv4: {
            ipAddress: [{ privateIpAddress: '10.0.0.4', publicIpAddress: '' }],
            subnet: [{ address: '10.0.0.0', prefix: '24' }],
          },
          ipv6: { ipAddress: [] },
          macAddress: '00224899A1B2',
        },
      ],
    },
  };
}
