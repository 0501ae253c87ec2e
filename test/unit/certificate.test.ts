import * as crypto from "node:crypto";
import * as tls from "node:tls";
import { selfSignedCertificate, validityAt, type CertificateDescription } from "../../components/certificate";

const seed = crypto.createHash("sha256").update("seed").digest();
const description: CertificateDescription = {
  commonName: "barman-cloud",
  dnsNames: ["barman-cloud", "barman-cloud.cnpg-system.svc"],
  usage: "server",
  notBefore: new Date("2026-11-01T00:00:00Z"),
  notAfter: new Date("2049-12-31T23:59:59Z"),
};

test("is read back as it was described, and verifies itself", () => {
  const { certificate, key } = selfSignedCertificate(description, seed);
  const read = new crypto.X509Certificate(certificate);
  expect(read.subject).toBe("CN=barman-cloud");
  expect(read.issuer).toBe("CN=barman-cloud");
  expect(read.subjectAltName).toBe("DNS:barman-cloud, DNS:barman-cloud.cnpg-system.svc");
  expect(read.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
  expect(read.ca).toBe(false);
  expect(new Date(read.validFrom)).toEqual(description.notBefore);
  expect(new Date(read.validTo)).toEqual(description.notAfter);
  expect(read.verify(read.publicKey)).toBe(true);
  expect(read.checkPrivateKey(crypto.createPrivateKey(key))).toBe(true);
  expect(read.checkHost("barman-cloud")).toBe("barman-cloud");
});

test("has a date after 2049 in its other form", () => {
  const notAfter = new Date("2050-01-01T00:00:00Z");
  const read = new crypto.X509Certificate(selfSignedCertificate({ ...description, notAfter }, seed).certificate);
  expect(new Date(read.validTo)).toEqual(notAfter);
});

test("is the same for the same description and seed, and another for another", () => {
  const once = selfSignedCertificate(description, seed);
  expect(selfSignedCertificate(description, seed)).toEqual(once);
  const others = [
    selfSignedCertificate({ ...description, usage: "client" }, seed),
    selfSignedCertificate(description, crypto.createHash("sha256").update("other").digest()),
  ];
  for (const other of others) expect(other.certificate).not.toBe(once.certificate);
  // Two certificates of one issuer must not have one serial number.
  const serials = [once, ...others].map(({ certificate }) => new crypto.X509Certificate(certificate).serialNumber);
  expect(new Set(serials).size).toBe(3);
});

/** A connection as between operator and plugin: TLS 1.3, either side trusts the other's certificate itself. */
function handshake(server: string, client: string): Promise<string> {
  const now = new Date();
  const validity = validityAt(now, 30);
  const made = (commonName: string, usage: "server" | "client") =>
    selfSignedCertificate({ commonName, dnsNames: usage === "server" ? [commonName] : [], usage, ...validity }, seed);
  const own = { server: made("barman-cloud", "server"), client: made("client", "client") };
  const trusted = { server: made(server, "server"), client: made(client, "client") };
  return new Promise((resolve, reject) => {
    const listener = tls.createServer(
      {
        cert: own.server.certificate,
        key: own.server.key,
        ca: trusted.client.certificate,
        requestCert: true,
        rejectUnauthorized: true,
        minVersion: "TLSv1.3",
      },
      (socket) => socket.end("served"),
    );
    listener.listen(0, "127.0.0.1", () => {
      const { port } = listener.address() as { port: number };
      const socket = tls.connect({
        port,
        host: "127.0.0.1",
        servername: "barman-cloud",
        cert: own.client.certificate,
        key: own.client.key,
        ca: trusted.server.certificate,
      });
      let text = "";
      socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
      socket.on("error", (error: Error) => {
        listener.close();
        reject(error);
      });
      socket.on("close", () => {
        listener.close();
        resolve(text);
      });
    });
  });
}

test("serves mutual TLS 1.3", async () => {
  expect(await handshake("barman-cloud", "client")).toBe("served");
});

test("is not taken by who trusts another", async () => {
  await expect(handshake("another", "client")).rejects.toThrow(/self-signed|unable to verify/);
});

describe("the validity", () => {
  const day = 24 * 60 * 60_000;

  test.each([3, 30, 365, 3650])(
    "of %d days leaves a third of them at any time, and is the same for most of it",
    (days) => {
      const start = Date.parse("2026-11-21T22:00:00Z");
      const seen = new Set<number>();
      for (let at = start; at < start + 2 * days * day; at += (days * day) / 50) {
        const { notBefore, notAfter } = validityAt(new Date(at), days);
        expect(notBefore.getTime()).toBeLessThanOrEqual(at - day);
        expect(notAfter.getTime() - at).toBeGreaterThanOrEqual((days * day) / 3);
        seen.add(notAfter.getTime());
      }
      expect(seen.size).toBeGreaterThanOrEqual(3);
      expect(seen.size).toBeLessThanOrEqual(5);
    },
  );
});
