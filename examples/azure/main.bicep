// A confidential VM (AMD SEV-SNP, or Intel TDX by its size) with secure boot, a vTPM and its guest state encrypted, an identity,
// an attestation provider of its own, and a Premium key vault from which that identity may have keys released (docs/secrets.md).
// Deploy with examples/azure/deploy.sh, see docs/azure.md.
targetScope = 'resourceGroup'

@description('A region that has confidential VM sizes, for instance eastus, westus3, northeurope, westeurope.')
param location string = resourceGroup().location

param name string = 'cvm'

@description('DC…as and EC…as are AMD SEV-SNP, DC…es and EC…es Intel TDX.')
@allowed(['Standard_DC2as_v5', 'Standard_DC4as_v5', 'Standard_EC2as_v5', 'Standard_DC2as_v6', 'Standard_DC2es_v5', 'Standard_DC2es_v6'])
param size string = 'Standard_DC2as_v5'

@description('Resource id of an image of your own, a gallery image version of type ConfidentialVM. Empty: Ubuntu 24.04.')
param imageId string = ''

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

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${name}-identity'
  location: location
}

// Keys can be released from the Premium tier and from Managed HSM only.
resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: 'kv${uniqueString(resourceGroup().id, name)}'
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: { family: 'A', name: 'premium' }
    enableRbacAuthorization: true
    enablePurgeProtection: true
  }
}

// Key Vault Crypto Service Release User: may have keys released, and nothing else.
var releaseUser = '08bbd89e-9f13-488c-ac41-acfcb10c90ab'

resource mayRelease 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, identity.id, releaseUser)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', releaseUser)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
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
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }
  properties: {
    hardwareProfile: { vmSize: size }
    securityProfile: {
      securityType: 'ConfidentialVM'
      uefiSettings: { secureBootEnabled: true, vTpmEnabled: true }
    }
    storageProfile: {
      imageReference: imageId == ''
        ? { publisher: 'Canonical', offer: 'ubuntu-24_04-lts', sku: 'cvm', version: 'latest' }
        : { id: imageId }
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

output ssh string = '${adminUsername}@${address.properties.ipAddress}'
output host string = address.properties.ipAddress
output attestationUrl string = provider.properties.attestUri
output keyVaultUrl string = vault.properties.vaultUri
output identityClientId string = identity.properties.clientId
