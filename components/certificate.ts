import * as crypto from "node:crypto";

/** What a certificate is made of. The same description gives the same certificate: Ed25519 signs without chance. */
export interface CertificateDescription {
  readonly commonName: string;
  /** Further names of a server; empty for a client. */
  readonly dnsNames: readonly string[];
  readonly usage: "server" | "client";
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** PEM. */
export interface CertificateAndKey {
  readonly certificate: string;
  /** PKCS #8. */
  readonly key: string;
}

/** From when to when a certificate is valid that is asked for at some time. */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const day = 24 * 60 * 60_000;

/**
 * Time is cut into periods of two thirds of a certificate's life, and whoever asks within one gets the same validity: at least a third of the life is
 * always left. A clock that is a day ahead of the cluster's does no harm.
 *
 * @param days - a certificate's life
 */
export function validityAt(now: Date, days: number): Validity {
  const period = Math.floor((days * 2) / 3) * day;
  const begin = Math.floor(now.getTime() / period) * period;
  return { notBefore: new Date(begin - day), notAfter: new Date(begin + days * day) };
}

/**
 * A self-signed X.509 certificate with an Ed25519 key (RFC 5280, RFC 8410). Node.js reads certificates and signs bytes, but makes no certificates.
 *
 * @param seed - 32 bytes of chance: the private key
 */
export function selfSignedCertificate(description: CertificateDescription, seed: Buffer): CertificateAndKey {
  const pkcs8 = sequence(integer(Buffer.from([0])), sequence(ed25519), octets(octets(seed)));
  const key = crypto.createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  const publicKey = crypto.createPublicKey(key).export({ format: "der", type: "spki" });
  const name = sequence(tagged(0x31, sequence(objectIdentifier("550403"), utf8(description.commonName))));
  const serial = crypto.createHash("sha256").update(publicKey).update(JSON.stringify(description)).digest();
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(serial.subarray(0, 16)),
    sequence(ed25519),
    name,
    sequence(time(description.notBefore), time(description.notAfter)),
    name,
    publicKey,
    tagged(0xa3, sequence(...extensions(description))),
  );
  const signature = crypto.sign(null, body, key);
  const certificate = sequence(body, sequence(ed25519), tagged(0x03, Buffer.from([0]), signature));
  return { certificate: pem("CERTIFICATE", certificate), key: pem("PRIVATE KEY", pkcs8) };
}

function extensions({ usage, dnsNames }: CertificateDescription): Buffer[] {
  const critical = tagged(0x01, Buffer.from([0xff]));
  const usages = { server: "2b06010505070301", client: "2b06010505070302" };
  return [
    // basicConstraints: no authority.
    sequence(objectIdentifier("551d13"), critical, octets(sequence())),
    // keyUsage: digitalSignature.
    sequence(objectIdentifier("551d0f"), critical, octets(Buffer.from("03020780", "hex"))),
    // extKeyUsage.
    sequence(objectIdentifier("551d25"), octets(sequence(objectIdentifier(usages[usage])))),
    // subjectAltName.
    ...(dnsNames.length === 0
      ? []
      : [
          sequence(
            objectIdentifier("551d11"),
            octets(sequence(...dnsNames.map((name) => tagged(0x82, Buffer.from(name, "ascii"))))),
          ),
        ]),
  ];
}

/** DER: a tag, the length, and the content. */
function tagged(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, ...parts);
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

function octets(content: Buffer): Buffer {
  return tagged(0x04, content);
}

function utf8(text: string): Buffer {
  return tagged(0x0c, Buffer.from(text, "utf8"));
}

function objectIdentifier(hex: string): Buffer {
  return tagged(0x06, Buffer.from(hex, "hex"));
}

const ed25519 = objectIdentifier("2b6570");

/** UTCTime up to 2049, GeneralizedTime from 2050 on (RFC 5280, 4.1.2.5). */
function time(moment: Date): Buffer {
  const text = `${moment
    .toISOString()
    .replace(/\.\d+Z$/, "")
    .replace(/\D/g, "")}Z`;
  return moment.getUTCFullYear() < 2050
    ? tagged(0x17, Buffer.from(text.slice(2), "ascii"))
    : tagged(0x18, Buffer.from(text, "ascii"));
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
