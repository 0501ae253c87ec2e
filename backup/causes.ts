/** Why WAL does not reach the store, and what helps. */
export interface Cause {
  readonly what: string;
  readonly next: string;
  /** It does not pass by itself. What a store says of credentials and buckets may: OCI's new keys and policies are refused for a minute or two. */
  readonly lasts: boolean;
}

/** Where the archive is to be. */
export interface ArchivePlace {
  readonly destinationPath: string;
  readonly endpointUrl: string;
  readonly serverName: string;
  readonly credentialsSecret: string;
}

/** What barman-cloud prints (and boto3 under it), what it means here. The first that fits counts. */
const causes: readonly { readonly says: RegExp; readonly cause: (place: ArchivePlace) => Cause }[] = [
  {
    says: /Expected empty archive/,
    cause: ({ destinationPath, serverName }) => ({
      what: `${destinationPath}/${serverName} holds the archive of another cluster, into which this one would write over it`,
      next:
        "Set backupServerName to a name that is free there (`npm run recover` brings back what lies in the old archive), or remove the old archive if nobody " +
        "needs it. Then run `pulumi up` again.",
      lasts: true,
    }),
  },
  {
    // versitygw, MinIO, and those with quotas, which answer 403.
    says: /InsufficientStorage|StorageFull|QuotaExceeded|No space left on device/,
    cause: ({ destinationPath, endpointUrl }) => ({
      what: `the store at ${endpointUrl} is full, or its quota is used up`,
      next: `Give it more room, or remove what nobody needs from it (below ${destinationPath} the plugin itself removes what is older than backupRetention). WAL is kept and sent when there is room. Then run \`pulumi up\` again.`,
      lasts: true,
    }),
  },
  {
    // barman before 3.16 makes a bucket that is missing; where it may not, the store says what it thinks of that.
    says: /NoSuchBucket|[Bb]ucket .*does not exist|\(404\)|when calling the CreateBucket operation/,
    cause: ({ destinationPath, endpointUrl }) => ({
      what: `there is no bucket for ${destinationPath} at ${endpointUrl}`,
      next: "Make the bucket, or mend backupBucket. Then run `pulumi up` again. What it held is lost where it was there before: make a base backup then (docs/runbooks/PostgreSQLBackupNeverMade.md), from which on the database can be recovered again.",
      lasts: false,
    }),
  },
  {
    says: /InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|Forbidden|\(40[13]\)/,
    cause: ({ endpointUrl, credentialsSecret }) => ({
      what: `the store at ${endpointUrl} refuses the credentials of Secret ${credentialsSecret}`,
      next: `Put the right ACCESS_KEY_ID and ACCESS_SECRET_KEY into Secret ${credentialsSecret}; they are read again within ten seconds. Then run \`pulumi up\` again.`,
      lasts: false,
    }),
  },
  {
    says: /secrets? "[^"]*" (not found|is forbidden)|while getting secret/,
    cause: ({ credentialsSecret }) => ({
      what: `the Secret ${credentialsSecret} is not there, or has not the keys ACCESS_KEY_ID and ACCESS_SECRET_KEY`,
      next: `Make it, or mend backupCredentialsSecret. Then run \`pulumi up\` again.`,
      lasts: false,
    }),
  },
  {
    says: /Could not connect to the endpoint|EndpointConnectionError|ConnectTimeout|Connection (refused|was closed)|Name or service not known/,
    cause: ({ endpointUrl }) => ({
      what: `the store at ${endpointUrl} does not answer`,
      next: "See that it runs and can be reached from the cluster. WAL is kept and sent when it answers. Then run `pulumi up` again.",
      lasts: false,
    }),
  },
];

/** The cause that the sidecar's latest words name, if it is one that is known. */
export function causeOf(log: string, place: ArchivePlace): Cause | undefined {
  const lines = log.trimEnd().split("\n").reverse();
  for (const line of lines) {
    const known = causes.find(({ says }) => says.test(line));
    if (known !== undefined) return known.cause(place);
  }
  return undefined;
}
