/** As much of S3's API as a bucket's life takes, signed as AWS Signature Version 4 says. */
import { createHash, createHmac } from "node:crypto";

/** What the store refused, with its own code, for instance BucketNotEmpty. */
export class S3Error extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** An S3 store. */
export class S3 {
  private readonly endpoint: URL;
  private readonly accessKey: string;
  private readonly secretKey: string;

  /** @param url - the endpoint, with access key and secret key in the places of user and password */
  constructor(
    url: string,
    private readonly region: string,
  ) {
    this.endpoint = new URL(url);
    this.accessKey = decodeURIComponent(this.endpoint.username);
    this.secretKey = decodeURIComponent(this.endpoint.password);
  }

  async createBucket(bucket: string): Promise<void> {
    await this.request("PUT", bucket);
  }

  /** Objects and their versions are kept when they are overwritten or deleted, or are no longer. */
  async setVersioning(bucket: string, status: "Enabled" | "Suspended"): Promise<void> {
    const body = `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>${status}</Status></VersioningConfiguration>`;
    await this.request("PUT", bucket, "versioning", body);
  }

  async hasBucket(bucket: string): Promise<boolean> {
    try {
      await this.request("HEAD", bucket);
      return true;
    } catch (error) {
      if (error instanceof S3Error && error.status === 404) return false;
      throw error;
    }
  }

  async deleteBucket(bucket: string): Promise<void> {
    await this.request("DELETE", bucket);
  }

  private async request(method: string, bucket: string, query = "", body = ""): Promise<void> {
    const url = new URL(`/${bucket}${query === "" ? "" : `?${query}=`}`, this.endpoint.origin);
    const time = new Date().toISOString().replace(/[-:]|\.\d{3}/g, "");
    const headers = { host: url.host, "x-amz-content-sha256": sha256(body), "x-amz-date": time };
    const scope = `${time.slice(0, 8)}/${this.region}/s3/aws4_request`;
    const signed = Object.keys(headers).join(";");
    const canonical = [
      method,
      url.pathname,
      url.search.slice(1),
      ...Object.entries(headers).map(([name, value]) => `${name}:${value}`),
      "",
      signed,
      sha256(body),
    ].join("\n");
    const key = scope.split("/").reduce<string | Buffer>((secret, part) => hmac(secret, part), `AWS4${this.secretKey}`);
    const signature = hmac(key, ["AWS4-HMAC-SHA256", time, scope, sha256(canonical)].join("\n")).toString("hex");
    const response = await fetch(url, {
      method,
      headers: {
        ...headers,
        authorization: `AWS4-HMAC-SHA256 Credential=${this.accessKey}/${scope}, SignedHeaders=${signed}, Signature=${signature}`,
      },
      ...(body === "" ? {} : { body }),
    });
    const text = await response.text();
    if (response.ok) return;
    const [, code = String(response.status)] = /<Code>(.*?)<\/Code>/.exec(text) ?? [];
    const [, message = response.statusText] = /<Message>(.*?)<\/Message>/.exec(text) ?? [];
    throw new S3Error(response.status, code, message);
  }
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
