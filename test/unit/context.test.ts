import { requireProvisioner } from "../../local/context";

test("a cluster with local-path volumes will do, whatever its StorageClass is called", () => {
  expect(() => {
    requireProvisioner([
      { metadata: { name: "other" }, provisioner: "example.com/other" },
      { metadata: { name: "standard" }, provisioner: "rancher.io/local-path" },
    ]);
  }).not.toThrow();
});

test("without them the error says what is missing and what is there", () => {
  expect(() => {
    requireProvisioner([{ metadata: { name: "oci-bv" }, provisioner: "blockvolume.csi.oraclecloud.com" }]);
  }).toThrow(/rancher\.io\/local-path.*oci-bv \(blockvolume\.csi\.oraclecloud\.com\)\. Nothing was changed/);
  expect(() => {
    requireProvisioner([]);
  }).toThrow(/there is: none/);
});
