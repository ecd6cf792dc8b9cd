"""A NAR as what another one lacks: files of the old one are copied, or help to compress those of the new one."""
