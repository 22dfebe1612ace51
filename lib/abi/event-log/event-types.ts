/** EV_NO_ACTION: information that was not extended into a PCR. */
export const EV_NO_ACTION = 0x00000003;
export const EV_EFI_HCRTM_EVENT = 0x80000010;

/** Names of event types from a number on, with what they begin with (TCG PC Client Platform Firmware Profile, "Event Types"). */
const RANGES: readonly (readonly [first: number, prefix: string, names: string])[] = [
  [
    0,
    'EV_',
    'PREBOOT_CERT POST_CODE  NO_ACTION SEPARATOR ACTION EVENT_TAG S_CRTM_CONTENTS S_CRTM_VERSION CPU_MICROCODE PLATFORM_CONFIG_FLAGS TABLE_OF_DEVICES COMPACT_HASH IPL IPL_PARTITION_DATA NONHOST_CODE NONHOST_CONFIG NONHOST_INFO OMIT_BOOT_DEVICE_EVENTS POST_CODE2',
  ],
  [
    0x80000001,
    'EV_EFI_',
    'VARIABLE_DRIVER_CONFIG VARIABLE_BOOT BOOT_SERVICES_APPLICATION BOOT_SERVICES_DRIVER RUNTIME_SERVICES_DRIVER GPT_EVENT ACTION PLATFORM_FIRMWARE_BLOB HANDOFF_TABLES PLATFORM_FIRMWARE_BLOB2 HANDOFF_TABLES2 VARIABLE_BOOT2 GPT_EVENT2   HCRTM_EVENT',
  ],
  [0x800000e0, 'EV_EFI_', 'VARIABLE_AUTHORITY SPDM_FIRMWARE_BLOB SPDM_FIRMWARE_CONFIG'],
];

let names: ReadonlyMap<number, string> | undefined;

/** Name of an event type, or its number in hex where it has none. */
export function eventTypeName(type: number): string {
  names ??= new Map(
    RANGES.flatMap(([first, prefix, words]) =>
      words.split(' ').flatMap((word, at) => (word === '' ? [] : [[first + at, prefix + word] as const])),
    ),
  );
  return names.get(type) ?? `EV_0x${type.toString(16)}`;
}
