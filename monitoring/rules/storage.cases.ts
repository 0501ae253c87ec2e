import { fires, quiet, type Case } from "./case";
import { series } from "./example";

const available = series.volume("kubelet_volume_stats_available_bytes");
const capacity = series.volume("kubelet_volume_stats_capacity_bytes");
const volume = { persistentvolumeclaim: "naytife-postgres-1" };
const notAfter = series.certificate("x509_cert_not_after");
const secret = { secret_name: "naytife-postgres-server" };

export const storageCases: readonly Case[] = [
  {
    alert: "PostgreSQLVolumeFull",
    story: "a twentieth is left, then the volume is grown",
    series: { [available]: "5e9x5 55e9x10", [capacity]: "100e9x5 150e9x10" },
    expect: [fires("3m", volume, "5%"), quiet("8m")],
  },
  {
    alert: "PostgreSQLVolumeFull",
    story: "a seventh is left",
    series: { [available]: "15e9x20", [capacity]: "100e9x20" },
    expect: [quiet("10m")],
  },
  {
    alert: "PostgreSQLVolumeFilling",
    story: "two gigabytes an hour, until the volume is grown",
    series: { [available]: "45e9-34e6x120 180e9x60", [capacity]: "100e9x120 250e9x60" },
    expect: [quiet("20m"), fires("1h", volume), quiet("2h10m")],
  },
  {
    alert: "PostgreSQLVolumeFilling",
    story: "the same speed on a volume that is mostly empty, as in the migration",
    series: { [available]: "95e9-34e6x120", [capacity]: "100e9x120" },
    expect: [quiet("1h"), quiet("2h")],
  },
  {
    alert: "PostgreSQLVolumeFilling",
    story: "little room, and it stays as it is",
    series: { [available]: "20e9x120", [capacity]: "100e9x120" },
    expect: [quiet("2h")],
  },
  {
    alert: "PostgreSQLCertificateExpiring",
    story: "four days are left, and it is renewed late",
    series: { [notAfter]: "345600x70 7776000x20" },
    expect: [quiet("50m"), fires("1h1m", secret, "3d 22h 59m 0s"), quiet("1h20m")],
  },
  {
    alert: "PostgreSQLCertificateExpiring",
    story: "renewed a week before its end, as the operator does it",
    series: { [notAfter]: "604000x70 7776000x20" },
    expect: [quiet("1h10m"), quiet("1h25m")],
  },
  {
    alert: "PostgreSQLCertificateEnding",
    story: "less than a day is left, and it is renewed",
    series: { [notAfter]: "80000x10 7776000x10" },
    expect: [fires("3m", secret, "22h 10m 20s"), quiet("12m")],
  },
  {
    alert: "PostgreSQLCertificateEnding",
    story: "two days are left",
    series: { [notAfter]: "172800x20" },
    expect: [quiet("10m")],
  },
];
