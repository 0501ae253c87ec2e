/** How a pod of an operand image runs: as its user postgres, who has this number in CloudNativePG's images, and with no right beyond that. */
export const asOperandUser = {
  runAsNonRoot: true,
  runAsUser: 26,
  runAsGroup: 26,
  fsGroup: 26,
  seccompProfile: { type: "RuntimeDefault" },
} as const;
