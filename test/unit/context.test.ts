import { requireProvisioner } from "../../local/context";

test("a cluster will do in which the wanted provisioner is one of those there", () => {
  expect(() => {
    requireProvisioner("rancher.io/local-path", ["example.com/other", "rancher.io/local-path"]);
  }).not.toThrow();
});

test("without it the error says what is missing and what is there", () => {
  expect(() => {
    requireProvisioner("rancher.io/local-path", ["blockvolume.csi.oraclecloud.com", "blockvolume.csi.oraclecloud.com"]);
  }).toThrow(/rancher\.io\/local-path is there.*there is: blockvolume\.csi\.oraclecloud\.com\. Nothing was changed/);
  expect(() => {
    requireProvisioner("rancher.io/local-path", []);
  }).toThrow(/there is: none/);
});
