// An expression, so that examples can include it: a function that returns a tar archive of files, with times in 1970.
{
    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (path, content) in files {
            let mut header = tar_core::Header::new_ustar();
            header.set_entry_type(tar_core::EntryType::Regular);
            header.set_path(path.as_bytes()).expect("a short path");
            header.set_size(content.len() as u64).expect("a small file");
            header.set_mode(0o644).expect("a valid mode");
            header.set_mtime(1_000).expect("a valid time");
            header.set_checksum();
            archive.extend_from_slice(header.as_bytes());
            archive.extend_from_slice(content);
            archive.resize(archive.len().next_multiple_of(512), 0);
        }
        archive.resize(archive.len() + 1024, 0);
        archive
    }

    tar
}
