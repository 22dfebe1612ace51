// A confidential VM (AMD SEV-SNP) with secure boot, a vTPM and its guest state encrypted, and an attestation provider of
// its own. Deploy with `az deployment group create`, see docs/azure.md.
targetScope = 'resourceGroup'

@description('A region that has confidential VM sizes, for instance eastus, westus3, northeurope, westeurope.')
param location string = resourceGroup().location

param name string = 'cvm'

@allowed(['Standard_DC2as_v5', 'Standard_DC4as_v5', 'Standard_EC2as_v5', 'Standard_DC2as_v6'])
param size string = 'Standard_DC2as_v5'

param adminUsername string = 'azureuser'

@secure()
@description('An SSH public key: the contents of ~/.ssh/id_ed25519.pub or ~/.ssh/id_rsa.pub.')
param sshPublicKey string

@description('VMGuestStateOnly encrypts the vTPM state with the VM; DiskWithVMGuestState the OS disk as well.')
@allowed(['VMGuestStateOnly', 'DiskWithVMGuestState'])
param diskEncryption string = 'VMGuestStateOnly'

resource provider 'Microsoft.Attestation/attestationProviders@2021-06-01' = {
  name: '${name}${uniqueString(resourceGroup().id)}'
  location: location
  properties: {}
}

resource securityGroup 'Microsoft.Network/networkSecurityGroups@2023-09-01' = {
  name: '${name}-nsg'
  location: location
  properties: {
    securityRules: [
      {
        name: 'ssh'
        properties: {
          priority: 100
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '22'
        }
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2023-09-01' = {
  name: '${name}-vnet'
  location: location
  properties: {
    addressSpace: { addressPrefixes: ['10.0.0.0/24'] }
    subnets: [
      {
        name: 'default'
        properties: { addressPrefix: '10.0.0.0/24', networkSecurityGroup: { id: securityGroup.id } }
      }
    ]
  }
}

resource address 'Microsoft.Network/publicIPAddresses@2023-09-01' = {
  name: '${name}-ip'
  location: location
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}

resource card 'Microsoft.Network/networkInterfaces@2023-09-01' = {
  name: '${name}-nic'
  location: location
  properties: {
    ipConfigurations: [
      {
        name: 'primary'
        properties: {
          subnet: { id: network.properties.subnets[0].id }
          publicIPAddress: { id: address.id }
        }
      }
    ]
  }
}

resource vm 'Microsoft.Compute/virtualMachines@2023-09-01' = {
  name: name
  location: location
  properties: {
    hardwareProfile: { vmSize: size }
    securityProfile: {
      securityType: 'ConfidentialVM'
      uefiSettings: { secureBootEnabled: true, vTpmEnabled: true }
    }
    storageProfile: {
      imageReference: { publisher: 'Canonical', offer: 'ubuntu-24_04-lts', sku: 'cvm', version: 'latest' }
      osDisk: {
        createOption: 'FromImage'
        managedDisk: {
          storageAccountType: 'Premium_LRS'
          securityProfile: { securityEncryptionType: diskEncryption }
        }
      }
    }
    osProfile: {
      computerName: name
      adminUsername: adminUsername
      linuxConfiguration: {
        disablePasswordAuthentication: true
        ssh: { publicKeys: [{ path: '/home/${adminUsername}/.ssh/authorized_keys', keyData: sshPublicKey }] }
      }
    }
    networkProfile: { networkInterfaces: [{ id: card.id }] }
  }
}

output host string = address.properties.ipAddress
output attestationUrl string = provider.properties.attestUri
