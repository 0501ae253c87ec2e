import * as pulumi from "@pulumi/pulumi";

/**
 * `data` of a Kubernetes Secret, marked secret. Not `stringData`: that is absent from what Kubernetes gives back, so a
 * change made by hand would go unseen.
 */
export function secretData(
  values: Readonly<Record<string, pulumi.Input<string>>>,
): pulumi.Output<Record<string, string>> {
  return pulumi.secret(
    pulumi
      .all(values)
      .apply((plain) =>
        Object.fromEntries(
          Object.entries(plain).map(([key, value]) => [key, Buffer.from(value, "utf8").toString("base64")]),
        ),
      ),
  );
}
