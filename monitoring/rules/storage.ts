import type { MonitoringSettings } from "../settings";
import { kubectl, selectors, type Alert, type Group } from "./rule";

/** Whether the volumes have room, by the kubelet. */
export function storage(settings: MonitoringSettings): Group {
  const { watched, thresholds } = settings;
  const { volume } = selectors(settings);
  const available = `max by (persistentvolumeclaim) (kubelet_volume_stats_available_bytes{${volume}})`;
  const free = `${available} / on (persistentvolumeclaim) max by (persistentvolumeclaim) (kubelet_volume_stats_capacity_bytes{${volume}})`;
  const claims = `${kubectl(settings)} get pvc -l cnpg.io/cluster=${watched.cluster}`;
  const alerts: Alert[] = [
    {
      name: "PostgreSQLVolumeFull",
      severity: "page",
      expr: `${free} < ${thresholds.volumeFreePercent / 100}`,
      for: "2m",
      summary: "{{ $value | humanizePercentage }} of the volume {{ $labels.persistentvolumeclaim }} are left.",
      atStake:
        "When it is full PostgreSQL stops, and the operator does not fail over: the replicas' volumes are as full.",
      firstCommand: claims,
    },
    {
      name: "PostgreSQLVolumeFilling",
      severity: "ticket",
      // A straight line through six hours. A volume that is half empty is left alone: checkpoints and bulk loads come and go.
      expr: `
        max by (persistentvolumeclaim) (
          predict_linear(kubelet_volume_stats_available_bytes{${volume}}[6h], ${thresholds.volumeFullDays * 86_400})
        ) < 0
        and on (persistentvolumeclaim) ${free} < 0.5`,
      for: "30m",
      summary: `The volume {{ $labels.persistentvolumeclaim }} will be full within ${thresholds.volumeFullDays} days.`,
      atStake: "When it is full PostgreSQL stops. Growing it takes a minute where the storage class can.",
      firstCommand: claims,
    },
  ];
  return {
    name: "naytife-postgres-storage",
    recordings: [],
    alerts: watched.exporters.includes("kubelet") ? alerts : [],
  };
}

/** Whether certificates are renewed in time: the operator's, a week before they end. By the x509-certificate-exporter, which reads Secrets. */
export function certificates(settings: MonitoringSettings): Group {
  const { watched, thresholds } = settings;
  const { certificate } = selectors(settings);
  const left = `min by (secret_name) (x509_cert_not_after{${certificate}}) - time()`;
  const secret = `${kubectl(settings)} get cluster ${watched.cluster} -o jsonpath='{.status.certificates.expirations}'`;
  const alerts: Alert[] = [
    {
      name: "PostgreSQLCertificateExpiring",
      severity: "ticket",
      expr: `${left} < ${thresholds.certificateDays * 86_400}`,
      for: "1h",
      summary: "A certificate in Secret {{ $labels.secret_name }} ends in {{ $value | humanizeDuration }}.",
      atStake:
        "The operator should have renewed it. When it ends, replicas and the pooler cannot connect to the primary.",
      firstCommand: secret,
    },
    {
      name: "PostgreSQLCertificateEnding",
      severity: "page",
      expr: `${left} < 86400`,
      for: "2m",
      summary: "A certificate in Secret {{ $labels.secret_name }} ends in {{ $value | humanizeDuration }}.",
      atStake: "When it ends, replicas and the pooler cannot connect to the primary: the shop is down.",
      firstCommand: secret,
    },
  ];
  const there = watched.exporters.includes("x509-certificate-exporter");
  return { name: "naytife-postgres-certificates", recordings: [], alerts: there ? alerts : [] };
}
